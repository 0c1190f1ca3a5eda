"""Real servers for every test: PostgreSQL and a Redis-protocol server from wheels, the sandbox over HTTP."""

import os
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import redis
from hypothesis import settings as hypothesis_settings
from postgres_16 import postgres_16

from dataflow_assets.embedded import Endpoints, acquire, erase
from dataflow_assets.resources import platform as platform_module
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import STANDARD_NAMES, Settings, get_settings

# The same examples in every run: a red build is red for everybody. No deadline: machines differ.
hypothesis_settings.register_profile("dataflow", deadline=None, derandomize=True)
hypothesis_settings.load_profile("dataflow")

# Noon UTC: past midnight everywhere but in the Americas, so accounts stand in different report days.
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
SMALL_WORLD = WorldConfig(meta_accounts=3, campaigns_per_account=3, ad_sets_per_campaign=2, ads_per_ad_set=2)


# Folders whose tests take longest: begun first, so that no worker is left alone with them.
FIRST = ("transform", "e2e", "automation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long tests first. A file's tests stay together and in order."""
    items.sort(key=lambda item: item.path.parent.name not in FIRST)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No setting of the person who runs the tests reaches them, and none of a test the next one."""
    for name in list(os.environ):
        if name in STANDARD_NAMES or (name.startswith("DATAFLOW_") and not name.startswith("DATAFLOW_TEST_")):
            monkeypatch.delenv(name)
    get_settings.cache_clear()
    platform_module.get_platform.cache_clear()
    yield
    get_settings.cache_clear()
    platform_module.get_platform.cache_clear()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoints]:
    """One PostgreSQL and one Redis-protocol server for the session."""
    state = tmp_path_factory.mktemp("servers")
    with acquire(state) as lease:
        yield lease.endpoints
    erase(state)


@pytest.fixture(scope="session")
def server_16() -> Iterator[str]:
    """A PostgreSQL of the oldest version that is supported."""
    with postgres_16() as url:
        yield url


@pytest.fixture
def database_url(servers: Endpoints) -> Iterator[str]:
    """An empty database of the test's own."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    yield servers.database_url.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')


@pytest.fixture
def redis_server_url(servers: Endpoints) -> str:
    """The session's Redis-protocol server, emptied."""
    with redis.Redis.from_url(servers.redis_url) as client:
        client.flushall()
    return servers.redis_url


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A small world at noon of 2026-05-20, standing still."""
    with run_sandbox(SMALL_WORLD, now=NOON) as running:
        yield running


@pytest.fixture
def make_platform(database_url: str, redis_server_url: str, tmp_path: Path) -> Callable[..., Platform]:
    """Builds a platform on this test's database; keywords change settings."""

    def make(sandbox_url: str, **changes: object) -> Platform:
        settings = Settings(state_dir=tmp_path / "state", **changes).on_sandbox(sandbox_url)  # type: ignore[arg-type]
        return Platform(
            settings=settings,
            warehouse=Warehouse(database_url),
            redis_url=redis_server_url,
            mode="sandbox",
            sandbox_url=sandbox_url,
        )

    return make


@pytest.fixture
def platform(make_platform: Callable[..., Platform], sandbox: RunningSandbox) -> Platform:
    """The platform of this test, on its own database and sandbox."""
    return make_platform(sandbox.url)
