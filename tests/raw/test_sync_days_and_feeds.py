"""Entities by day, and changes from a feed with a horizon: what is asked, and what it does to the watermark."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from raw_support import META, Row, World, reading

from dataflow_assets.connectors.base import Account, Connector, Kind, Page, Since, Stream, Window
from dataflow_assets.connectors.records import instant, text
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.http import Caller
from dataflow_assets.windows import DayWindow

DEALS = Stream(
    name="deals",
    description="Things that change.",
    kind=Kind.ENTITY,
    endpoint="deals",
    columns=(
        text("id", "Id of the deal.", required=True),
        instant("changed", "When it last changed."),
        instant("closed", "When it was closed."),
        text("stage", "Where it stands."),
    ),
    key=("id",),
    cursor="changed",
    overlap=timedelta(minutes=10),
    by_day=True,
    event_days=("closed",),
)
FED = replace(DEALS, name="fed", by_day=False, event_days=(), feed_reaches=timedelta(days=29))
# Noon of the 20th, as in the sandbox of these tests.
TODAY = date(2026, 5, 20)
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


class Vendor:
    """Answers with what it is told to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.asked: list[Window] = []

    async def read(self, _caller: Caller, _account: Account, _stream: Stream, window: Window) -> AsyncIterator[Page]:
        self.asked.append(window)
        yield Page(msgspec.Raw(json.dumps(self.rows).encode()))


def deal(number: int, changed: str | None, stage: str = "open", closed: str | None = None) -> Row:
    return {"id": f"d{number}", "changed": changed, "stage": stage, "closed": closed}


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


@pytest.fixture
def source(world: World, vendor: Vendor) -> Connector:
    connector = replace(reading(META, vendor.read), name="crm", streams=(DEALS, FED))
    with world.platform.warehouse.connect() as connection:
        for statement in create_statements(connector):
            connection.execute(statement)
    return connector


def sync(world: World, source: Connector, stream: Stream, window: DayWindow | None = None, **options: Any) -> Any:
    def work(opened: Any) -> Any:
        return opened.run(stream, window, **options)

    report = world.with_sync(work, source=source, only_accounts=(world.accounts()[0],)).accounts[0]
    assert report.error is None
    return report


def test_law_3_past_days_are_read_by_themselves_and_leave_the_watermark_alone(
    world: World, source: Connector, vendor: Vendor
) -> None:
    vendor.rows = [deal(1, "2026-05-18T10:00:00Z")]
    first = sync(world, source, DEALS)
    week = DayWindow(date(2026, 4, 1), date(2026, 4, 8))
    vendor.rows = [deal(2, "2026-04-03T10:00:00Z")]
    report = sync(world, source, DEALS, week)
    assert vendor.asked == [Since(), Since(days=week)]
    assert (report.counts.inserted, report.counts.deleted) == (1, 0), "What the days do not hold is not gone."
    assert report.after.instant == first.after.instant == datetime(2026, 5, 18, 10, tzinfo=UTC)
    (row,) = world.query("select window_start, window_end from dataflow.sync_ledger where window_start is not null")
    assert row == {"window_start": week.start, "window_end": week.end}


def test_a_window_with_the_running_day_goes_on_from_the_watermark_unless_its_days_are_to_be_read_again(
    world: World, source: Connector, vendor: Vendor
) -> None:
    vendor.rows = [deal(1, "2026-05-18T10:00:00Z")]
    sync(world, source, DEALS)
    window = DayWindow(date(2026, 5, 1), TODAY + timedelta(days=1))
    sync(world, source, DEALS, window)
    sync(world, source, DEALS, window, again=True)
    assert vendor.asked[1:] == [Since(datetime(2026, 5, 18, 9, 50, tzinfo=UTC)), Since(days=window)]


def test_an_older_reading_of_days_does_not_overwrite_a_newer_version(
    world: World, source: Connector, vendor: Vendor
) -> None:
    vendor.rows = [deal(1, "2026-05-18T10:00:00Z", "won")]
    sync(world, source, DEALS)
    vendor.rows = [deal(1, "2026-04-03T10:00:00Z", "open")]
    sync(world, source, DEALS, DayWindow(date(2026, 4, 1), date(2026, 4, 8)))
    assert world.query("select stage from raw_crm.deals") == [{"stage": "won"}]


def test_law_3_a_feed_that_has_nothing_to_tell_moves_the_watermark_to_the_moment_of_reading(
    world: World, source: Connector, vendor: Vendor
) -> None:
    vendor.rows = [deal(1, None)]
    first = sync(world, source, FED)
    # The vendor's Date header tells seconds.
    assert NOW <= first.after.instant < NOW + timedelta(seconds=20)
    world.sandbox.clock.advance(3_600)
    vendor.rows = []
    second = sync(world, source, FED)
    assert vendor.asked[1] == Since(first.after.instant - FED.overlap)
    assert second.after.instant >= NOW + timedelta(hours=1)
    assert second.counts.deleted == 0


def test_law_6_beyond_the_horizon_of_the_feed_everything_is_listed(
    world: World, source: Connector, vendor: Vendor
) -> None:
    vendor.rows = [deal(1, None), deal(2, None)]
    sync(world, source, FED)
    world.sandbox.clock.advance(30 * 86_400)
    vendor.rows = [deal(2, None)]
    notes: list[str] = []
    report = world.with_sync(
        lambda opened: opened.run(FED), source=source, only_accounts=(world.accounts()[0],), on_note=notes.append
    ).accounts[0]
    assert vendor.asked[1] == Since()
    assert report.counts.deleted == 1, "Deleted while nobody read the feed."
    assert any("29 days the feed of changes goes back" in note for note in notes)


def test_of_three_readings_in_a_race_the_latest_listing_wins(world: World, source: Connector, vendor: Vendor) -> None:
    cursorless = replace(DEALS, cursor=None, by_day=False, sweep_every=timedelta(hours=1))
    vendor.rows = [deal(1, None, "first")]
    sync(world, source, cursorless)
    # A reading that began before that one ends after it, with what was true before.
    world.query("update dataflow.sync_ledger set fetch_started_at = now() + interval '1 minute' returning 1 as x")
    vendor.rows = [deal(1, None, "older"), deal(2, None, "older")]
    report = sync(world, source, cursorless)
    assert world.query("select id, stage from raw_crm.deals") == [{"id": "d1", "stage": "first"}]
    assert report.counts.written == 0
    assert {row["outcome"] for row in world.query("select outcome from dataflow.sync_ledger")} == {
        "published",
        "superseded",
    }


def touched(world: World) -> list[date]:
    """Days that wait to be carried on; they are taken away."""
    rows = world.query("delete from dataflow.touched_days where connector = 'crm' returning day")
    return sorted(row["day"] for row in rows)


def test_law_5_a_changed_deal_touches_the_days_it_had_and_has_and_no_other(
    world: World, source: Connector, vendor: Vendor
) -> None:
    first, second, still_open = (
        deal(1, "2026-05-01T10:00:00Z", "won", "2026-04-10T23:30:00Z"),
        deal(2, "2026-05-01T10:00:00Z", "won", "2026-04-11T00:30:00+02:00"),
        deal(3, "2026-05-01T10:00:00Z"),
    )
    vendor.rows = [first, second, still_open]
    assert sync(world, source, DEALS).touched_days == {date(2026, 4, 10)}, "Both closed on the 10th in UTC."
    assert touched(world) == [date(2026, 4, 10)]
    # Today somebody corrects a deal that closed forty days ago, and another is not touched.
    vendor.rows = [deal(1, "2026-05-20T10:00:00Z", "won", "2026-04-12T10:00:00Z"), second]
    sync(world, source, DEALS)
    assert touched(world) == [date(2026, 4, 10), date(2026, 4, 12)]
    vendor.rows = [still_open]
    sync(world, source, DEALS, full=True)
    assert touched(world) == [date(2026, 4, 10), date(2026, 4, 12)], "Those of the two that vanished."
    sync(world, source, DEALS, full=True)
    assert touched(world) == []


def test_law_5_a_new_event_touches_its_day_and_a_known_one_none(
    world: World, source: Connector, vendor: Vendor
) -> None:
    events = replace(DEALS, kind=Kind.EVENT, by_day=False)
    vendor.rows = [deal(1, "2026-05-01T10:00:00Z", closed="2026-05-01T10:00:00Z")]
    sync(world, source, events)
    vendor.rows += [deal(2, "2026-05-02T10:00:00Z", closed="2026-05-02T10:00:00Z")]
    assert touched(world) == [date(2026, 5, 1)]
    sync(world, source, events)
    assert touched(world) == [date(2026, 5, 2)]
