"""`dataflow-dbt`: dbt, run by a server that has it loaded where there is one (`dbt_server`), and by itself where not.

Only the standard library's light modules are imported: this starts for every dbt command.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import Any

SERVER_VARIABLE = "WARM_DBT_SERVER"
_LENGTH_BYTES = 8
_STREAMS = 3


def main() -> None:
    """Run dbt with this command's arguments and end with its exit code."""
    server = os.environ.get(SERVER_VARIABLE)
    if server:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(server)
            except OSError:
                pass  # it is gone: dbt is loaded anew
            else:
                sys.exit(_ask(connection))
    dbt = str(Path(sys.executable).with_name("dbt"))
    os.execv(dbt, [dbt, *sys.argv[1:]])  # noqa: S606  a fixed program, with the arguments we were given


def _ask(connection: socket.socket) -> int:
    environment = {name: value for name, value in os.environ.items() if name != SERVER_VARIABLE}
    command = {"arguments": sys.argv[1:], "environment": environment, "folder": str(Path.cwd())}
    message = json.dumps(command).encode()
    socket.send_fds(connection, [len(message).to_bytes(_LENGTH_BYTES)], range(_STREAMS))
    connection.sendall(message)
    with connection.makefile("rb") as answers:
        process = int(answers.readline() or 0)

        def pass_on(number: int, _frame: FrameType | None) -> None:
            os.kill(process, number)

        if process:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, pass_on)
        return int(answers.readline() or 1)


def receive(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The other side of `_ask`: the command, and the client's standard streams."""
    length, streams, _, _ = socket.recv_fds(client, _LENGTH_BYTES, _STREAMS)
    with client.makefile("rb") as told:
        command: dict[str, Any] = json.loads(told.read(int.from_bytes(length)))
    return command, streams
