"""A real PostgreSQL with raw tables, and the parsed dbt project."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from dbt_command import NO_NETWORK, Dbt, dbt_connection
from installation import database
from over_sandbox import NOW, WORLD, Synced, platform_on

from dataflow_assets.connectors import all_connectors
from dataflow_assets.embedded import Endpoints
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.dbt_server import warm_dbt
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.sandbox.testing import run_sandbox


@pytest.fixture(scope="session", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """dbt is loaded once, with no way to the network."""
    guard = tmp_path_factory.mktemp("guard")
    (guard / "sitecustomize.py").write_text(NO_NETWORK)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(guard))
        with warm_dbt():
            yield


@contextmanager
def warehouse(servers: Endpoints) -> Iterator[str]:
    """A database of its own with the schema of the project and empty raw tables."""
    with database(servers.database_url) as url:
        Warehouse(url).migrate(s for connector in all_connectors() for s in create_statements(connector))
        yield url


@pytest.fixture(scope="session")
def database_url(servers: Endpoints) -> Iterator[str]:
    """A database with the schema of the project and empty raw tables."""
    with warehouse(servers) as url:
        yield url


@pytest.fixture(scope="session")
def synced(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synced]:
    """Everything built over what a first sync of every vendor brought."""
    folder = tmp_path_factory.mktemp("synced")
    with warehouse(servers) as url, run_sandbox(WORLD, now=NOW) as sandbox:
        synced = Synced(Dbt(folder, dbt_connection(url)), platform_on(url, servers.redis_url, sandbox, folder), sandbox)
        synced.sync()
        synced.build()
        yield synced


@pytest.fixture(scope="session")
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connected:
        yield connected


@pytest.fixture
def timescale_url() -> Iterator[str]:
    """A new database on a server with TimescaleDB; dropped afterwards."""
    server = os.environ.get("DATAFLOW_TEST_TIMESCALE_URL")
    if not server:
        pytest.skip("DATAFLOW_TEST_TIMESCALE_URL names no server with TimescaleDB: nothing was tested on one.")
    name = f"dataflow_test_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Dbt:
    """The project after `dbt parse` with an empty environment."""
    dbt = Dbt(tmp_path_factory.mktemp("parsed"))
    done = dbt("parse", "--show-all-deprecations")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "eprecat" not in done.stdout + done.stderr
    assert "WARN" not in done.stdout + done.stderr
    return dbt
