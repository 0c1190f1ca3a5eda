"""Installations for commands: an empty one for each test."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dataflow_command import Dataflow
from installation import Installation, installation

from dataflow_assets.embedded import Endpoints
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
WORLD = WorldConfig(meta_accounts=2, campaigns_per_account=2, ad_sets_per_campaign=1, ads_per_ad_set=1)


@pytest.fixture(scope="module")
def world() -> Iterator[RunningSandbox]:
    with run_sandbox(WORLD, now=NOON) as sandbox:
        yield sandbox


@pytest.fixture
def installed(servers: Endpoints, tmp_path: Path, world: RunningSandbox) -> Iterator[Installation]:
    world.clear_faults()
    with installation(servers, tmp_path, world) as installed:
        yield installed


@pytest.fixture
def dataflow(installed: Installation) -> Dataflow:
    return Dataflow(installed)
