"""One installation for a test: database, Redis, sandbox and state folder of its own, and commands that see them."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from psycopg.rows import dict_row

from dataflow_assets.embedded import Endpoints
from dataflow_assets.resources import platform as platform_module
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.settings import PROJECT_ROOT, get_settings

TIMESCALE = "DATAFLOW_TEST_TIMESCALE_URL"  # names a server with TimescaleDB on which databases may be created
EMPTY = "/template0"  # in template1 TimescaleDB keeps a session of its own
REDIS_DATABASE = 1  # the tests of a single function empty number 0
# For fixtures over both kinds of server. Without TimescaleDB nothing is skipped here: one test says so, loudly.
ENGINES = ["plain", *([pytest.param("timescale", marks=pytest.mark.timescale)] if os.environ.get(TIMESCALE) else [])]
Rows = list[dict[str, Any]]
Completed = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Installation:
    """Addresses of one installation. `settings` are further variables, which win."""

    database_url: str
    redis_url: str
    state_dir: Path
    sandbox: RunningSandbox
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """What a person would set."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "DATAFLOW_STATE_DIR": str(self.state_dir),
            "DATAFLOW_SANDBOX__URL": self.sandbox.url,
            # One vendor shows what these tests are about, and takes a fifth of the time of all.
            "DATAFLOW_SANDBOX__VENDORS": "meta_ads",
            **self.settings,
        }

    def rows(self, query: str, *values: object) -> Rows:
        """Rows of a statement, which is committed."""
        with psycopg.connect(self.database_url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def value(self, query: str, *values: object) -> Any:
        """The only value of a statement that has one."""
        (row,) = self.rows(query, *values)
        (value,) = row.values()
        return value

    @contextmanager
    def there(self) -> Iterator[None]:
        """Within, this process belongs to the installation; afterwards its environment is what it was."""
        before = dict(os.environ)
        os.environ.update(self.variables)
        _forget()
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)
            _forget()

    @contextmanager
    def here(self) -> Iterator[Platform]:
        """As `there`, with the platform."""
        with self.there():
            yield platform_module.get_platform()

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment of a command: what a shell has, the installation's variables, and changes."""
        return {**bare_environment(), **self.variables, **changes}

    def run(self, *command: str, timeout: float = 240, **changes: str) -> Completed:
        """Run a command to its end."""
        return run(*command, timeout=timeout, env=self.environment(**changes))

    def dataflow(self, *args: str, timeout: float = 240, **changes: str) -> Completed:
        """Run the `dataflow` command."""
        return self.run(sys.executable, "-m", "dataflow_assets.cli.main", *args, timeout=timeout, **changes)


def bare_environment() -> dict[str, str]:
    """What the environment of a command needs to run this Python on this checkout, and nothing else."""
    folder = Path(sys.executable).parent
    return {
        "PATH": os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)]),
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONWARNINGS": "ignore",
    }


def run(*command: str, env: Mapping[str, str], timeout: float = 240, cwd: Path = PROJECT_ROOT) -> Completed:
    """Run a command to its end, with its output."""
    return subprocess.run(command, env=dict(env), cwd=cwd, capture_output=True, text=True, timeout=timeout, check=False)


@contextmanager
def database(server_url: str, *, copy_of: str = EMPTY) -> Iterator[str]:
    """A database of its own on a server, copied from one that nobody is connected to."""
    name, template = f"test_{uuid.uuid4().hex[:12]}", copy_of.rsplit("/", 1)[1]
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{template}"'.encode())
    yield server_url.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)'.encode())


@contextmanager
def installation(
    servers: Endpoints,
    folder: Path,
    sandbox: RunningSandbox,
    settings: Mapping[str, str] | None = None,
    *,
    copy_of: str = EMPTY,
    database_server: str | None = None,
) -> Iterator[Installation]:
    """A new installation on the session's servers; with `copy_of` its database is a copy of that one.

    `database_server` is the address of another database server.
    """
    redis_url = servers.redis_url.rsplit("/", 1)[0] + f"/{REDIS_DATABASE}"
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    with database(database_server or servers.database_url, copy_of=copy_of) as url:
        yield Installation(url, redis_url, folder / "state", sandbox, dict(settings or {}))


def _forget() -> None:
    get_settings.cache_clear()
    platform_module.get_platform.cache_clear()
