"""An installation for all tests of a module: a run of the whole pipeline takes a while."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from installation import TIMESCALE, Installation, installation

from dataflow_assets.embedded import Endpoints
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
TINY_WORLD = WorldConfig(meta_accounts=3, campaigns_per_account=2, ad_sets_per_campaign=2, ads_per_ad_set=1)
SHORT_HISTORY = {"DATAFLOW_META_ADS__INITIAL_HISTORY_DAYS": "35"}


@pytest.fixture(scope="module", params=["plain"])
def engine(request: pytest.FixtureRequest) -> str:
    """What the database server is: "plain", or "timescale" in modules that ask for it too."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def installed(servers: Endpoints, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Three accounts of three time zones at noon of 2026-05-20, time standing still; nothing synced yet."""
    folder = tmp_path_factory.mktemp("installation")
    server = os.environ[TIMESCALE] if engine == "timescale" else None
    with (
        run_sandbox(TINY_WORLD, now=NOON) as sandbox,
        installation(servers, folder, sandbox, SHORT_HISTORY, database_server=server) as installed,
    ):
        if server:
            # Its jobs would move old days into columns between two looks, where row versions cannot be read.
            installed.rows("create extension if not exists timescaledb")
            installed.rows("select _timescaledb_functions.stop_background_workers()")
        yield installed
