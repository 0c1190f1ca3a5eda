"""Google Ads, HubSpot and Stripe landed by Airbyte: what we store of it is what we would have read ourselves."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from airbyte_sources import SOURCES, Source, Tables, documented_queries
from airbyte_support import Destination, reading_from_airbyte
from psycopg import sql
from raw_support import Row, World, fine

from dataflow_assets.connectors import connector
from dataflow_assets.connectors.base import Connector, Probe, Stream
from dataflow_assets.connectors.google_ads.landing import custom_query
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.stripe.versions import OLD
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import GoogleAdsSettings, HubSpotSettings, StripeSettings
from dataflow_assets.windows import DayWindow

NOON = datetime(2026, 4, 10, 12, tzinfo=UTC)
WEEK = DayWindow(date(2026, 3, 1), date(2026, 3, 8))
_MANY = 10**8
SETTINGS: dict[str, Any] = {
    "google_ads": GoogleAdsSettings(requests_per_day=_MANY, requests_per_minute=_MANY, initial_history_days=30),
    "hubspot": HubSpotSettings(requests_per_ten_seconds=_MANY, requests_per_day=_MANY, searches_per_second=_MANY),
    # The shape that Airbyte's source asks for, as far as the sandbox has it: both are of before basil.
    "stripe": StripeSettings(requests_per_second=_MANY, endpoint_requests_per_second=_MANY, api_version=OLD),
}

MakePlatform = Callable[..., Platform]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    config = WorldConfig(
        start=date(2026, 2, 1),
        days=75,
        google_accounts=2,
        campaigns_per_account=6,
        ad_sets_per_campaign=1,
        ads_per_ad_set=2,
        customers_per_day=2,
        seed=3,  # with disputes and refunds
    )
    with run_sandbox(config, now=NOON) as running:
        yield running


@dataclass(frozen=True)
class Case:
    """One vendor, and where Airbyte lands it."""

    world: World
    connector: Connector
    source: Source
    destination: Destination

    def sync(self, stream: Stream) -> StreamReport:
        """Sync a stream by its name: landed by Airbyte it is declared otherwise."""
        window = WEEK if stream.report_day else None
        report: StreamReport = self.world.with_sync(
            lambda sync: sync.run(sync.connector.stream(stream.name), window), source=self.connector
        )
        return report

    def stored(self, stream: Stream) -> set[tuple[Any, ...]]:
        """What the table holds of what Airbyte can tell, without accounts where a connection is one."""
        not_told = self.source.not_told.get(stream.name, frozenset())
        names = ["_account_id", *(name for name in stream.column_names if name not in not_told), "_extra"]
        alive = sql.SQL("where _deleted_at is null" if stream.kind == "entity" else "")
        query = sql.SQL("select {} from {} {}").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), table(self.connector, stream), alive
        )
        with self.world.platform.warehouse.connect() as connection:
            rows: list[Row] = connection.execute(query).fetchall()
        return {
            tuple(repr(row[name]) if isinstance(row[name], dict | list) else row[name] for name in names)
            for row in rows
        }

    def land(self, stream: Stream, emitted: Any, moment: datetime = NOON) -> None:
        """What Airbyte's tables of a stream get."""
        landing = self.connector.landing
        assert landing
        for name in (landing.tables[stream.name], *landing.also.get(stream.name, ())):
            self.destination.land_table(name, emitted[name], moment)


def _comparable(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value


@pytest.fixture(scope="module")
def emitted(sandbox: RunningSandbox) -> Callable[[str], Tables]:
    """What the source of a vendor emits, made once."""
    return cache(lambda vendor: SOURCES[vendor].emitted(sandbox, WEEK))


@pytest.fixture
def case_of(make_platform: MakePlatform, sandbox: RunningSandbox) -> Callable[..., Case]:
    def make(vendor: str, *, is_raw: bool = False, **changes: Any) -> Case:
        settings = SETTINGS[vendor].model_copy(update=changes)
        world = World(make_platform(sandbox.url, **{vendor: settings}), sandbox)
        found, source = connector(vendor), SOURCES[vendor]
        return Case(world, found, source, Destination(world.platform, found, "landed", source.types, raw=is_raw))

    return make


LAYOUTS = pytest.mark.parametrize("is_raw", [False, True], ids=["final", "raw"])
EVERY_SOURCE = pytest.mark.parametrize("vendor", SOURCES)


@LAYOUTS
@EVERY_SOURCE
def test_the_same_rows_land_whoever_fetched_them(
    vendor: str, is_raw: bool, case_of: Callable[..., Case], emitted: Callable[[str], Tables]
) -> None:
    case = case_of(vendor, is_raw=is_raw)
    landing = case.connector.landing
    assert landing
    streams = [case.connector.stream(name) for name in landing.tables]
    ours = {}
    for stream in streams:
        fine(case.sync(stream))
        ours[stream.name] = case.stored(stream)
        assert ours[stream.name], stream.name
        case.world.query(f"delete from raw_{vendor}.{stream.name} returning 1")
    ids = () if landing.accounts_in else tuple({row[0] for row in ours[streams[0].name]})
    with reading_from_airbyte(case.world.platform, case.connector, "landed", account_ids=ids):
        for stream in streams:
            case.land(stream, emitted(vendor))
        for stream in streams:
            report = fine(case.sync(stream))
            assert report.tally.requests == 0, "Nothing is asked of the vendor."
            assert report.counts.quarantined == 0, stream.name
            assert case.stored(stream) == ours[stream.name], stream.name


def test_what_airbyte_does_not_have_stays_as_it_is(case_of: Callable[..., Case]) -> None:
    case = case_of("stripe", api_version=StripeSettings().api_version)
    payments, query = case.connector.stream("invoice_payments"), case.world.query
    assert case.connector.landing
    assert payments.name not in case.connector.landing.tables
    assert fine(case.sync(payments)).counts.inserted > 0
    before = query("select * from raw_stripe.invoice_payments order by id")
    known = query("select watermark, swept_at from dataflow.watermarks")
    ids = (before[0]["_account_id"],)
    with reading_from_airbyte(case.world.platform, case.connector, "landed", account_ids=ids):
        case.destination.land_table("customers", [{"id": "cus_1", "created": 1}], NOON)
        assert fine(case.sync(payments)).counts.read == 0
    assert query("select * from raw_stripe.invoice_payments order by id") == before
    assert query("select watermark, swept_at from dataflow.watermarks") == known


@LAYOUTS
def test_of_a_list_the_newest_version_counts_and_an_archived_deal_shows_none(
    is_raw: bool, case_of: Callable[..., Case]
) -> None:
    case = case_of("hubspot", is_raw=is_raw)
    links = case.connector.stream("deal_contacts")

    def linked() -> list[str]:
        fine(case.sync(links))
        found = case.world.query("select * from raw_hubspot.deal_contacts where _deleted_at is null")
        return sorted(row["contact_id"] for row in found)

    def deal(table: str, at: datetime, contacts: list[str], **more: Any) -> None:
        row = {"id": "7", "contacts": contacts, "updatedAt": at.isoformat(), "archived": False, **more}
        case.destination.land_table(table, [row], at)

    with reading_from_airbyte(case.world.platform, case.connector, "landed"):
        deal("deals", NOON, ["2", "3"])
        assert linked() == ["2", "3"]
        deal("deals", NOON + timedelta(hours=1), ["1", "2"])
        deal("deals", NOON - timedelta(hours=1), ["4"])
        assert linked() == ["1", "2"]
        deal("deals_archived", NOON + timedelta(hours=2), ["1", "2"], archived=True)
        assert linked() == []


@EVERY_SOURCE
def test_the_sensor_sees_what_was_extracted_since_the_last_reading(vendor: str, case_of: Callable[..., Case]) -> None:
    case = case_of(vendor)
    landing = case.connector.landing
    assert landing
    first, *_, last = (s for s in case.connector.streams if not s.report_day and s.name in landing.tables)
    account = {"customer.id": 1, "customer.currency_code": "EUR", "customer.time_zone": "UTC"}
    rows = [account if vendor == "google_ads" else {"id": "1"}]

    def seen() -> set[str]:
        def newer(sync: Any) -> Any:
            long_ago = datetime(2020, 1, 1, tzinfo=UTC)
            return sync.connector.newer(
                sync.client.caller(),
                [Probe(account, one, long_ago) for account in sync.accounts for one in (first, last)],
            )

        return {probe.stream.name for probe in case.world.with_sync(newer, source=case.connector)}

    with reading_from_airbyte(case.world.platform, case.connector, "landed"):
        for stream in (first, last):
            case.destination.land_table(landing.tables[stream.name], rows, NOON)
        assert seen() == {first.name, last.name}
        for stream in (first, last):
            fine(case.sync(stream))
        assert seen() == set()
        case.destination.land_table(landing.tables[last.name], rows, datetime.now(UTC) + timedelta(minutes=1))
        assert seen() == {last.name}


def test_the_documented_custom_queries_are_those_of_the_declared_streams() -> None:
    assert documented_queries() == {s.name: custom_query(s) for s in connector("google_ads").streams}
