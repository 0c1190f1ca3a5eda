"""A process that has dbt loaded and runs each command in a fork of itself.

Loading dbt takes seconds of a processor's time, more than building a day does, and a sync runs it twice. The server is
started beside a sync and loads while the vendors are read. A fork inherits what was loaded and nothing of what an
earlier command did. Whoever asks is `dbt_client`; without a server it runs dbt itself.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from dataflow_assets.resources.dbt_client import SERVER_VARIABLE, receive

WAITING_CLIENTS = 16
STOPS_WITHIN_SECONDS = 5


@contextmanager
def warm_dbt() -> Iterator[None]:
    """Within, the dbt commands of this process and its children are run by a server of theirs."""
    if SERVER_VARIABLE in os.environ or not hasattr(os, "fork"):
        yield
        return
    # A path of a socket may be no longer than about a hundred characters, which a state directory may be.
    with TemporaryDirectory(prefix="dataflow-") as folder, socket.socket(socket.AF_UNIX) as listening:
        address = str(Path(folder) / "dbt")
        listening.bind(address)  # the folder is this user's alone
        listening.listen(WAITING_CLIENTS)
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,  # its end tells the server that we are gone, however we went
            stdout=subprocess.DEVNULL,
        )
        os.environ[SERVER_VARIABLE] = address
        try:
            yield
        finally:
            os.environ.pop(SERVER_VARIABLE, None)
            if server.stdin:
                server.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                server.wait(STOPS_WITHIN_SECONDS)
            server.kill()
            server.wait()


def serve(listening: socket.socket) -> None:
    """Run each command that comes in a process of its own, until standard input ends."""
    # Ctrl-C reaches every process of a terminal; whoever started us decides when we go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    import dbt.adapters.postgres  # noqa: PLC0415  what there is to load, before the first command
    import dbt.cli.main  # noqa: F401, PLC0415

    while True:
        ready, _, _ = select.select([listening, 0], [], [])
        if 0 in ready:
            return  # nothing is ever written there: it has ended
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _run(client)
        client.close()


def _run(client: socket.socket) -> None:
    """In the fork: be the client's dbt, then tell it the exit code. Does not return."""
    command, streams = receive(client)
    for stream, ours in zip(streams, (0, 1, 2), strict=True):
        os.dup2(stream, ours)
        os.close(stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    os.environ.clear()
    os.environ.update(command["environment"])
    os.chdir(command["folder"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    client.sendall(b"%d\n" % os.getpid())
    threading.Thread(target=_stop_with_client, args=(client,), daemon=True).start()
    code = _dbt(command["arguments"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    client.sendall(b"%d\n" % code)
    sys.exit(code)  # in the ordinary way: dbt's locks are given back then


def _stop_with_client(client: socket.socket) -> None:
    client.recv(1)  # it never says anything: this returns when it is gone
    os.kill(os.getpid(), signal.SIGINT)


def _dbt(arguments: list[str]) -> int:
    from dbt.cli.main import cli  # noqa: PLC0415  loaded before the fork

    try:
        cli(arguments, prog_name="dbt")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
