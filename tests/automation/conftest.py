"""A warehouse with landed rows, for sensors and schedules to look at."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from installation import Installation, installation

from dataflow_assets.connectors import connector
from dataflow_assets.connectors.base import Kind
from dataflow_assets.embedded import Endpoints
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

META = connector("meta_ads")
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
WORLD = WorldConfig(meta_accounts=3, campaigns_per_account=2, ad_sets_per_campaign=1, ads_per_ad_set=1)
LANDED = DayWindow(date(2026, 5, 14), date(2026, 5, 20))


async def _land(platform: Platform) -> None:
    async with open_sync(platform, META) as sync:
        for stream in META.streams:
            report = await sync.run(stream, LANDED if stream.kind is Kind.REPORT else None)
            assert not report.failed


@pytest.fixture(scope="session")
def empty_warehouse(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with the schema and nothing in it, to be copied."""
    folder = tmp_path_factory.mktemp("empty")
    with run_sandbox(WORLD, now=NOON) as sandbox, installation(servers, folder, sandbox) as installed:
        with installed.here() as platform:
            ensure_schema(platform)
        yield installed.database_url


@pytest.fixture(scope="session")
def landed_warehouse(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with everything up to yesterday, and nothing carried on; to be copied."""
    folder = tmp_path_factory.mktemp("landed")
    with run_sandbox(WORLD, now=NOON) as sandbox, installation(servers, folder, sandbox) as installed:
        with installed.here() as platform:
            ensure_schema(platform)
            asyncio.run(_land(platform))
        yield installed.database_url


@pytest.fixture
def installed(servers: Endpoints, tmp_path: Path, empty_warehouse: str) -> Iterator[Installation]:
    """Three accounts, in Berlin, Los Angeles and Tokyo, at noon UTC of 2026-05-20; nothing is synced."""
    with (
        run_sandbox(WORLD, now=NOON) as sandbox,
        installation(servers, tmp_path, sandbox, copy_of=empty_warehouse) as installed,
    ):
        yield installed


@pytest.fixture
def landed(servers: Endpoints, tmp_path: Path, landed_warehouse: str) -> Iterator[Installation]:
    """The same three accounts; everything has been read up to yesterday, and nothing carried on."""
    with (
        run_sandbox(WORLD, now=NOON) as sandbox,
        installation(servers, tmp_path, sandbox, copy_of=landed_warehouse) as installed,
    ):
        yield installed


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


Look = Callable[[dg.SensorDefinition, Installation], dg.RunRequest | str]


@pytest.fixture
def look(instance: dg.DagsterInstance) -> Look:
    """What a sensor answers: its one run request, or why it asks for none."""

    def evaluate(sensor: dg.SensorDefinition, installed: Installation) -> dg.RunRequest | str:
        resources = {"platform": PlatformResource()}
        with installed.there(), dg.build_sensor_context(instance=instance, resources=resources) as context:
            answer = sensor.evaluate_tick(context)
        if answer.skip_message:
            return answer.skip_message
        (request,) = answer.run_requests or []
        return request

    return evaluate
