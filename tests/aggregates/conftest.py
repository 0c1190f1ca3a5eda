"""Databases with the schema of the project, on every kind of server there is at hand."""

import os
from collections.abc import Iterator

import pytest
from facts import without_home_currency
from installation import ENGINES, TIMESCALE, database

from dataflow_assets.embedded import Endpoints
from dataflow_assets.resources.warehouse import Connection, Warehouse


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of the test's aggregates."""
    name: str = request.param
    return name


@pytest.fixture
def warehouse(engine: str, servers: Endpoints) -> Iterator[Warehouse]:
    """The schema of the project on a database of the test's own; facts and metrics empty."""
    with database(os.environ[TIMESCALE] if engine == "timescale" else servers.database_url) as url:
        found = Warehouse(url)
        found.migrate()
        with found.connect(autocommit=True) as connection:
            without_home_currency(connection)
            if engine == "timescale":
                # The jobs of policies would move chunks into columns while a test does.
                connection.execute("select _timescaledb_functions.stop_background_workers()")
        yield found


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    with warehouse.connect(autocommit=True) as connected:
        yield connected
