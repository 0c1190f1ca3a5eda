"""A process that has dbt and its project loaded and runs each command in a fork of itself.

Loading them takes seconds of a processor's time, more than building a day does, and a sync runs dbt twice. The server
is started beside a sync and loads while the vendors are read. A fork inherits what was loaded and nothing of what an
earlier command did. Whoever asks is `dbt_client`; without a server it runs dbt itself.
"""

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dataflow_assets.resources.dbt_client import SERVER_VARIABLE, receive

WAITING_CLIENTS = 16
STOPS_WITHIN_SECONDS = 5


@contextmanager
def warm_dbt(project: Path | None = None, parsed: Path | None = None) -> Iterator[None]:
    """Within, the dbt commands of this process and its children are run by a server of theirs.

    `project`: the folder of a dbt project to have loaded, as it is now; `parsed`: the folder of what dbt keeps of it.
    """
    if SERVER_VARIABLE in os.environ or not hasattr(os, "fork"):
        yield
        return
    # A path of a socket may be no longer than about a hundred characters, which a state directory may be.
    with TemporaryDirectory(prefix="dataflow-") as folder, socket.socket(socket.AF_UNIX) as listening:
        address = str(Path(folder) / "dbt")
        listening.bind(address)  # the folder is this user's alone
        listening.listen(WAITING_CLIENTS)
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(listening.fileno()), *map(str, (project, parsed) if project else ())],
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


def serve(listening: socket.socket, project: str = "", parsed: str = "") -> None:
    """Run each command that comes in a process of its own, until standard input ends."""
    # Ctrl-C reaches every process of a terminal; whoever started us decides when we go.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import dbt.adapters.postgres  # noqa: PLC0415  what there is to load, before the first command
    import dbt.cli.main  # noqa: F401, PLC0415

    loaded = _load(Path(project), Path(parsed)) if project else None
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    while True:
        ready, _, _ = select.select([listening, 0], [], [])
        if 0 in ready:
            return  # nothing is ever written there: it has ended
        client, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _run(client, loaded)
        client.close()


@dataclass(frozen=True)
class _Loaded:
    """A project as dbt has parsed it, and for which connection that is."""

    project: Path
    connection: Mapping[str, str]
    manifest: Any

    def serves(self, command: Mapping[str, Any]) -> bool:
        # Other folders or variables make another manifest; only a build needs none written.
        arguments = command["arguments"]
        return (
            Path(command["folder"]) == self.project
            and _connection(command["environment"]) == self.connection
            and "build" in arguments
            and not any(option in arguments for option in ("--project-dir", "--vars", "--target"))
        )


def _connection(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("DATAFLOW_DBT_")}


def _load(project: Path, parsed: Path) -> _Loaded | None:
    """None where dbt cannot parse the project: the command that comes will say why."""
    # In a folder of its own: other processes read and write what is known of the project.
    with TemporaryDirectory(prefix="dataflow-") as folder:
        with suppress(OSError):
            shutil.copy(parsed / "partial_parse.msgpack", folder)
        # First in a process of its own: dbt's parser starts threads, which a fork has not, and a command that parses
        # would wait for them for ever. What is left to this one is to read what that one has written.
        aside = get_context("fork").Process(target=_parse, args=(project, folder))
        aside.start()
        aside.join()
        manifest = None if aside.exitcode else _manifest(project, folder)
    return _Loaded(project, _connection(os.environ), manifest) if manifest else None


def _parse(project: Path, folder: str) -> None:
    sys.exit(_manifest(project, folder) is None)


def _manifest(project: Path, folder: str) -> Any:
    from dbt.cli.main import dbtRunner  # noqa: PLC0415  loaded before the fork

    folders = ("--project-dir", project, "--profiles-dir", project, "--target-path", folder, "--log-path", folder)
    answer = dbtRunner().invoke(["--quiet", "parse", *map(str, folders)])
    return answer.result if answer.success else None


def _run(client: socket.socket, loaded: _Loaded | None) -> None:
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
    code = _dbt(command["arguments"], loaded.manifest if loaded and loaded.serves(command) else None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    client.sendall(b"%d\n" % code)
    sys.exit(code)  # in the ordinary way: dbt's locks are given back then


def _stop_with_client(client: socket.socket) -> None:
    client.recv(1)  # it never says anything: this returns when it is gone
    os.kill(os.getpid(), signal.SIGINT)


def _dbt(arguments: list[str], manifest: Any) -> int:
    from dbt.cli.main import cli  # noqa: PLC0415  loaded before the fork

    try:
        cli(arguments, prog_name="dbt", obj={"manifest": manifest})
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), *sys.argv[2:])
