"""Worlds for the tests of this folder: a platform, its database and the sandbox it reads."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import psycopg
import pytest
from raw_support import World, meta_settings

from dataflow_assets.connectors import all_connectors
from dataflow_assets.embedded import Endpoints
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

SMALL = WorldConfig(meta_accounts=3, campaigns_per_account=3, ad_sets_per_campaign=2, ads_per_ad_set=2)
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
# Every story of the sandbox (renamed, archived, deleted, paused), at the smallest size that tells them.
STORIES = WorldConfig(meta_accounts=1, campaigns_per_account=6, ad_sets_per_campaign=2, ads_per_ad_set=3)
NEW_YEAR = datetime(2026, 1, 5, 12, tzinfo=UTC)

MakePlatform = Callable[..., Platform]


@contextmanager
def new_database(servers: Endpoints) -> Iterator[Warehouse]:
    """An empty database, until the block ends."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    yield Warehouse(servers.database_url.rsplit("/", 1)[0] + f"/{name}")
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')


@pytest.fixture(scope="module")
def empty_warehouse(servers: Endpoints) -> Iterator[Warehouse]:
    """An empty database for the tests of a module, which keep out of each other's way by themselves."""
    with new_database(servers) as warehouse:
        yield warehouse


@pytest.fixture(scope="module")
def made_warehouse(servers: Endpoints) -> Iterator[Warehouse]:
    """A database with all tables, for a module."""
    with new_database(servers) as warehouse:
        warehouse.migrate(s for connector in all_connectors() for s in create_statements(connector))
        yield warehouse


@pytest.fixture
def database_url(made_warehouse: Warehouse) -> str:
    """The module's database with all tables and no rows: emptying it takes a fifth of the time of making it."""
    with made_warehouse.connect() as connection:
        tables = connection.execute(
            """
            select string_agg(format('%I.%I', schemaname, tablename), ', ') as names from pg_tables
            where (schemaname = 'dataflow' or schemaname ^@ 'raw_') and tablename <> 'schema_version'
            """
        ).fetchone()
        assert tables
        connection.execute(f"truncate {tables['names']}")
    return made_warehouse.database_url


@pytest.fixture(scope="session")
def small_world() -> Iterator[RunningSandbox]:
    """One served world for the session."""
    with run_sandbox(SMALL, now=NOON) as running:
        yield running


@pytest.fixture(scope="session")
def world_of_stories() -> Iterator[RunningSandbox]:
    """Another one."""
    with run_sandbox(STORIES, now=NEW_YEAR) as running:
        yield running


@contextmanager
def as_new(running: RunningSandbox, now: datetime) -> Iterator[RunningSandbox]:
    """A served world with no faults, default limits, counts at zero, at its first time."""
    running.clock.set(now)
    running.reset_requests()
    yield running
    running.clear_faults()
    running.reset_limits()


@pytest.fixture
def sandbox(small_world: RunningSandbox) -> Iterator[RunningSandbox]:
    """Three accounts (Berlin, Los Angeles, Tokyo) at noon of 2026-05-20, UTC."""
    with as_new(small_world, NOON) as running:
        yield running


@pytest.fixture
def world(make_platform: MakePlatform, sandbox: RunningSandbox) -> World:
    """Those accounts and a warehouse to sync them into."""
    return World(make_platform(sandbox.url, meta_ads=meta_settings()), sandbox)


@pytest.fixture
def stories(make_platform: MakePlatform, world_of_stories: RunningSandbox) -> Iterator[World]:
    """One account in Berlin at the beginning of its stories."""
    with as_new(world_of_stories, NEW_YEAR) as running:
        yield World(make_platform(running.url, meta_ads=meta_settings()), running)
