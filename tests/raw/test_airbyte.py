"""Tables that Airbyte has landed: what we store from them is what we would have stored from the vendor."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from airbyte_support import Destination, reading_from_airbyte
from psycopg import sql
from raw_support import BY_CAMPAIGN, CAMPAIGNS, META, World, assert_same, fine, only

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector, Probe, Stream
from dataflow_assets.connectors.meta_ads.streams import ATTRIBUTION_WINDOWS
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.windows import DayWindow

WEEK = DayWindow(date(2026, 5, 10), date(2026, 5, 17))
LANDED = [connector for connector in all_connectors() if connector.landing]
# What Airbyte's Meta source types itself; the rest is text.
TYPES = {
    "impressions": "bigint",
    "clicks": "bigint",
    "spend": "numeric(38, 9)",
    "date_start": "date",
    "date_stop": "date",
}
TYPES |= {"created_time": "timestamptz", "updated_time": "timestamptz", "inline_link_clicks": "bigint"}
NESTED = ("actions", "action_values", "creative", "targeting", "special_ad_categories", "attribution_spec")
TYPES |= dict.fromkeys((*NESTED, "promoted_object", "tracking_specs"), "jsonb")


class Airbyte(Destination):
    """Airbyte's Meta source: what it lands is what the sandbox's world holds."""

    def sync(
        self, stream: Stream, world: World, *, at: datetime | None = None, window: DayWindow | None = None
    ) -> None:
        """Append what the vendor holds now."""
        days = {"first": window.start, "last": window.end - timedelta(days=1)} if window else {}
        rows = world.sandbox.truth("meta_ads", stream.name, windows=ATTRIBUTION_WINDOWS, **days)
        self.land(stream, rows, at or world.sandbox.clock.now())


@pytest.fixture
def landing_world(world: World) -> Iterator[World]:
    """The world, with Meta landed by Airbyte."""
    with reading_from_airbyte(world.platform, META, "facebook"):
        yield world


@pytest.fixture(params=["final", "raw"])
def airbyte(request: pytest.FixtureRequest, landing_world: World) -> Airbyte:
    made = Airbyte(landing_world.platform, META, "facebook", TYPES, raw=request.param == "raw")
    made.sync(META.stream("ad_accounts"), landing_world)
    return made


def run(world: World, stream: Stream, window: DayWindow | None = None) -> StreamReport:
    report: StreamReport = world.with_sync(lambda sync: sync.run(sync.connector.stream(stream.name), window))
    return report


@pytest.mark.parametrize("connector", LANDED, ids=lambda connector: connector.name)
def test_what_is_said_of_airbytes_tables_is_about_declared_streams_and_columns(connector: Connector) -> None:
    assert connector.landing
    for name in (*connector.landing.tables, *connector.landing.columns, connector.landing.accounts_in or ""):
        if name:
            assert connector.stream(name)
    for name, columns in connector.landing.columns.items():
        assert columns.keys() <= set(connector.stream(name).column_names)


def test_the_same_rows_land_whoever_fetched_them(airbyte: Airbyte, landing_world: World) -> None:
    world = landing_world
    for name in META.landing.tables if META.landing else ():
        stream = META.stream(name)
        window = WEEK if stream.report_day else None
        airbyte.sync(stream, world, window=window)
        report = fine(run(world, stream, window))
        assert report.tally.requests == 0, "Nothing is asked of the vendor."
        assert report.counts.inserted > 0
        assert report.counts.quarantined == 0, name
        for account in world.accounts():
            assert_same(world.stored(stream, account, window), world.truth(stream, account, window))


def test_the_newest_of_several_landed_versions_is_stored_and_vanished_ones_get_a_tombstone(
    airbyte: Airbyte, landing_world: World
) -> None:
    world, account = landing_world, landing_world.accounts()[0]
    airbyte.sync(CAMPAIGNS, world)
    run(world, CAMPAIGNS)
    first = world.stored(CAMPAIGNS, account)
    key, row = next(iter(first.items()))
    later = world.sandbox.clock.now() + timedelta(hours=2)
    changed = {"id": key[-1], "account_id": account, "name": "renamed", "updated_time": later.isoformat()}
    airbyte.land(CAMPAIGNS, [changed], later)
    fine(run(world, CAMPAIGNS))
    assert world.stored(CAMPAIGNS, account)[key]["name"] == "renamed"
    assert row["name"] != "renamed"
    with world.platform.warehouse.connect() as connection:
        table = airbyte.make(connection, CAMPAIGNS, set())
        what = sql.SQL("_airbyte_data ->> 'id'" if airbyte.raw else "id")
        connection.execute(sql.SQL("delete from {} where {} = %s").format(table, what), (key[-1],))
    assert only(fine(run(world, CAMPAIGNS)), account).counts.deleted == 1
    assert key not in world.stored(CAMPAIGNS, account)


def test_days_after_the_newest_extraction_are_not_known(airbyte: Airbyte, landing_world: World) -> None:
    world, account = landing_world, landing_world.accounts()[0]
    airbyte.sync(BY_CAMPAIGN, world, window=DayWindow(date(2026, 5, 1), date(2026, 5, 21)))
    fine(run(world, BY_CAMPAIGN))
    before = world.watermark(BY_CAMPAIGN, account)
    assert before
    world.sandbox.clock.advance(5 * 86_400)
    fine(run(world, BY_CAMPAIGN))
    assert world.watermark(BY_CAMPAIGN, account)["watermark"] == before["watermark"]  # type: ignore[index]


def test_the_sensor_sees_what_was_extracted_since_the_last_reading(airbyte: Airbyte, landing_world: World) -> None:
    world = landing_world
    airbyte.sync(CAMPAIGNS, world, at=datetime(2026, 5, 20, 11, tzinfo=UTC))
    fine(run(world, CAMPAIGNS))

    def newer(sync: Any) -> Any:
        probes = [Probe(account, CAMPAIGNS, datetime(2020, 1, 1, tzinfo=UTC)) for account in sync.accounts]
        return sync.connector.newer(sync.client.caller(), probes)

    assert list(world.with_sync(newer)) == []
    airbyte.sync(CAMPAIGNS, world, at=datetime.now(UTC) + timedelta(minutes=1))
    assert len(world.with_sync(newer)) == len(world.accounts())


def test_law_6_values_that_airbyte_nulled_or_cut_are_told(airbyte: Airbyte, landing_world: World) -> None:
    world, account = landing_world, landing_world.accounts()[0]
    change = {"field": "name", "change": "NULLED", "reason": "too long"}
    row = {"id": "1", "account_id": account, "updated_time": "2026-05-01T00:00:00+0000"}
    airbyte.land(CAMPAIGNS, [row], world.sandbox.clock.now(), [change])
    report = fine(run(world, CAMPAIGNS))
    assert only(report, account).unknown_fields == ["_airbyte_changes"]
    (stored,) = world.query("select _extra from raw_meta_ads.campaigns")
    assert stored["_extra"] == {"_airbyte_changes": [change]}


def test_a_table_that_is_not_there_is_named_with_what_to_do(airbyte: Airbyte, landing_world: World) -> None:
    report = run(landing_world, CAMPAIGNS)
    assert len(report.failed) == len(landing_world.accounts())
    assert "Airbyte has landed no table facebook.campaigns" in str(report.failed[0].error)
