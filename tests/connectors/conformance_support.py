"""A world to sync for the conformance tests, what is stored of it, and fixtures over both."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hasty import HASTY
from installation import database
from psycopg import sql

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.embedded import Endpoints
from dataflow_assets.raw.ddl import primary_key, table
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow

EVERY_VENDOR = pytest.mark.parametrize("vendor", all_connectors(), ids=lambda vendor: vendor.name)

START = datetime(2026, 4, 10, 12, tzinfo=UTC)
WORLD = WorldConfig(
    start=date(2026, 2, 1),
    days=90,
    meta_accounts=2,
    google_accounts=2,
    linkedin_accounts=2,
    campaigns_per_account=6,
    ad_sets_per_campaign=1,
    ads_per_ad_set=2,
    customers_per_day=2,
)
HISTORY_DAYS = 35
# Our own ceilings are tested elsewhere; here they would only make tests wait.
_CEILINGS = (
    "requests_per_second",
    "endpoint_requests_per_second",
    "requests_per_ten_seconds",
    "searches_per_second",
    "requests_per_minute",
    "requests_per_hour",
    "requests_per_day",
    "app_requests_per_hour",
)
NO_CEILING = dict.fromkeys(_CEILINGS, 10**8)
# Which reading brought a row is not the vendor's, nor is what the feed of events alone knows.
NOT_THE_VENDORS = {"updated_at"}
Rows = dict[tuple[Any, ...], dict[str, Any]]


@dataclass
class Place:
    """A warehouse of its own that reads a sandbox."""

    platform: Platform
    sandbox: RunningSandbox

    def sync(self, vendor: Connector, stream: Stream, window: DayWindow | None = None, **options: Any) -> StreamReport:
        async def go() -> StreamReport:
            transport = httpx.AsyncHTTPTransport(verify=False)
            async with open_sync(self.platform, vendor, clock=HASTY, transport=transport) as opened:
                # As it has landed, which may be another stream than the vendor's own of that name.
                stream_there = replace(opened.connector.stream(stream.name), page_size=stream.page_size)
                return await opened.run(stream_there, window, **options)

        return asyncio.run(go())

    def sync_all(self, vendor: Connector, **options: Any) -> None:
        for stream in vendor.streams:
            report = self.sync(vendor, stream, **options)
            assert [one.error for one in report.failed] == []

    def query(self, text: str, *values: Any) -> list[dict[str, Any]]:
        with self.platform.warehouse.connect() as connection:
            return connection.execute(text, values or None).fetchall()  # type: ignore[arg-type]

    def rows(self, vendor: Connector, stream: Stream, since: date | None = None) -> Rows:
        """What is stored and not gone, in the vendor's columns, by key."""
        names = [name for name in ("_account_id", *stream.column_names) if name not in NOT_THE_VENDORS]
        query = sql.SQL("select {} from {} where true").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), table(vendor, stream)
        )
        if stream.kind is Kind.ENTITY:
            query += sql.SQL(" and _deleted_at is null")
        if stream.report_day and since:
            query += sql.SQL(" and {} >= {}").format(sql.Identifier(stream.report_day), sql.Literal(since))
        with self.platform.warehouse.connect() as connection:
            found = connection.execute(query).fetchall()
        keyed = {tuple(row[name] for name in primary_key(stream)): row for row in found}
        assert len(keyed) == len(found)
        return {key: row for key, row in keyed.items() if not row.get("deleted")}


@pytest.fixture(scope="module")
def make_place(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    with database(servers.database_url) as empty:
        ensure_schema(_platform(servers, empty, "http://127.0.0.1:9", tmp_path_factory.mktemp("empty")))
        template = empty

        @contextmanager
        def make(sandbox: RunningSandbox) -> Iterator[Place]:
            with database(servers.database_url, copy_of=template) as url:
                yield Place(_platform(servers, url, sandbox.url, tmp_path_factory.mktemp("place")), sandbox)

        yield make


def _platform(servers: Endpoints, database_url: str, sandbox_url: str, folder: Path) -> Platform:
    plain = Settings(state_dir=folder)
    changed = {}
    for name, vendor in plain.vendors.items():
        fields = type(vendor).model_fields
        wanted = NO_CEILING | {"initial_history_days": HISTORY_DAYS}
        changed[name] = vendor.model_copy(update={key: value for key, value in wanted.items() if key in fields})
    settings_ = plain.model_copy(update=changed).on_sandbox(sandbox_url)
    return Platform(
        settings=settings_,
        warehouse=Warehouse(database_url),
        redis_url=servers.redis_url,
        mode="sandbox",
        sandbox_url=sandbox_url,
    )


def assert_same(found: Rows, expected: Rows, stream: Stream) -> None:
    assert sorted(found.keys() - expected.keys()) == [], f"{stream.name}: rows too many"
    assert sorted(expected.keys() - found.keys()) == [], f"{stream.name}: rows missing"
    for key, row in expected.items():
        differing = {n: (found[key][n], value) for n, value in row.items() if found[key][n] != value}
        assert not differing, f"{stream.name} {key}: found and expected differ: {differing}"


@pytest.fixture(scope="module")
def loaded(make_place: Callable[..., Any]) -> Iterator[tuple[RunningSandbox, Place]]:
    """A sandbox and what a load of it stores when nothing goes wrong."""
    with run_sandbox(WORLD, now=START) as sandbox, make_place(sandbox) as place:
        for vendor in all_connectors():
            place.sync_all(vendor)
        yield sandbox, place


@pytest.fixture
def calm(loaded: tuple[RunningSandbox, Place]) -> Iterator[tuple[RunningSandbox, Place]]:
    yield loaded
    loaded[0].clear_faults()


# One stream of each vendor, and how and where an account is refused.
REVOKED = {
    "google_ads": ("campaigns", "permission_denied", "campaign"),
    "meta_ads": ("campaigns", "revoked_account", "campaigns"),
    "linkedin_ads": ("campaigns", "access_denied", "campaigns"),
    "hubspot": ("deals", "missing_scopes", "deals_list"),
    "stripe": ("customers", "permission_denied", "customers"),
}
