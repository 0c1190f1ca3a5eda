"""The dbt project built over what syncs of every vendor have brought from one sandbox."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
from dbt_command import Dbt

from dataflow_assets.connectors import all_connectors, connector
from dataflow_assets.connectors.base import Connector
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import Settings

# Eleven weeks in, when the first deals are won, the first money has gone back and the first contacts were merged.
NOW = datetime(2026, 4, 20, 12, tzinfo=UTC)
WORLD = WorldConfig(
    start=date(2026, 2, 1),
    days=90,
    google_accounts=2,
    meta_accounts=1,
    linkedin_accounts=1,
    campaigns_per_account=3,
    ad_sets_per_campaign=1,
    ads_per_ad_set=2,
    customers_per_day=4,
)


@dataclass(frozen=True)
class Synced:
    """A warehouse with everything built once, and the sandbox that it was read from."""

    dbt: Dbt
    platform: Platform
    sandbox: RunningSandbox

    def sync(self, *vendors: str) -> None:
        """Read every stream of these vendors, or of all."""
        for name in vendors or [source.name for source in all_connectors()]:
            asyncio.run(_sync(self.platform, connector(name)))

    def build(self, *arguments: str, windows: str = "") -> None:
        """Build with dbt: everything, or what the arguments select; every day, or those of the windows."""
        done = self.dbt("build", "--exclude-resource-type", "unit_test", *arguments, DATAFLOW_BUILD_WINDOWS=windows)
        assert done.returncode == 0, done.stdout

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        with self.platform.warehouse.connect(autocommit=True) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def truth(self, path: str) -> list[dict[str, Any]]:
        """What the vendor holds of a stream, in the vendor's words."""
        vendor, stream = path.split("/")
        return [dict(row) for row in self.sandbox.truth(vendor, stream)]


def platform_on(database_url: str, redis_url: str, sandbox: RunningSandbox, folder: Path) -> Platform:
    """A platform that reads this sandbox into that database."""
    return Platform(
        settings=Settings(state_dir=folder).on_sandbox(sandbox.url),
        warehouse=Warehouse(database_url),
        redis_url=redis_url,
        mode="sandbox",
        sandbox_url=sandbox.url,
    )


async def _sync(platform: Platform, source: Connector) -> None:
    # Plain HTTP: loading certificates would take longer than the reading.
    async with open_sync(platform, source, transport=httpx.AsyncHTTPTransport(verify=False)) as sync:
        for stream in source.streams:
            report = await sync.run(stream)
            assert report.failed == [], f"{source.name}/{stream.name}"
