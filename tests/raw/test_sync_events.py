"""Event streams: what happened once is appended once, by id, and never changed again."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from raw_support import META, Row, World, reading

from dataflow_assets.connectors.base import Account, Connector, Kind, Page, Since, Stream, Window
from dataflow_assets.connectors.records import instant, number, text
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.http import Caller

EVENTS = Stream(
    name="events",
    description="Things that happened.",
    kind=Kind.EVENT,
    endpoint="events",
    columns=(
        text("id", "Id of the event.", required=True),
        instant("created", "When it happened.", required=True),
        number("amount", "How much."),
    ),
    key=("id",),
    cursor="created",
    overlap=timedelta(minutes=5),
)


def event(number: int, **changes: Any) -> Row:
    minute = datetime(2026, 5, 20, 8, tzinfo=UTC) + timedelta(minutes=number)
    return {"id": f"ev_{number}", "created": minute.isoformat(), "amount": "1.50", **changes}


class EventLog:
    """A vendor that answers with all events at or after the cursor."""

    def __init__(self) -> None:
        self.events: list[Row] = []
        self.asked: list[Window] = []

    async def read(self, _caller: Caller, _account: Account, _stream: Stream, window: Window) -> AsyncIterator[Page]:
        assert isinstance(window, Since)
        self.asked.append(window)
        found = [e for e in self.events if window.cursor is None or e["created"] >= window.cursor.isoformat()]
        for event_of_page in found:
            yield Page(msgspec.Raw(json.dumps([event_of_page]).encode()))


@pytest.fixture
def log() -> EventLog:
    return EventLog()


@pytest.fixture
def source(world: World, log: EventLog) -> Connector:
    """A vendor of events alone, with its table."""
    connector = replace(reading(META, log.read), name="eventful", streams=(EVENTS,))
    with world.platform.warehouse.connect() as connection:
        for statement in create_statements(connector):
            connection.execute(statement)
    return connector


def sync(world: World, source: Connector) -> Any:
    return world.run(EVENTS, source=source, only_accounts=(world.accounts()[0],)).accounts[0]


def stored(world: World) -> list[Row]:
    return world.query("select id, amount::text, _sync_id, ctid::text from raw_eventful.events order by created")


def test_events_are_appended_once_by_id_however_often_they_are_read(
    world: World, source: Connector, log: EventLog
) -> None:
    log.events = [event(n) for n in range(5)]
    first = sync(world, source)
    assert first.error is None
    assert (first.counts.read, first.counts.inserted) == (5, 5)
    before = stored(world)
    log.events += [event(5), event(6)]
    second = sync(world, source)
    assert log.asked == [Since(None), Since(datetime(2026, 5, 20, 8, 4, tzinfo=UTC) - EVENTS.overlap)]
    assert (second.counts.read, second.counts.inserted, second.counts.unchanged) == (7, 2, 5)
    assert (second.counts.updated, second.counts.deleted) == (0, 0)
    after = stored(world)
    assert after[:5] == before
    assert [row["id"] for row in after] == [f"ev_{n}" for n in range(7)]


def test_an_event_that_is_stored_stays_as_it_is(world: World, source: Connector, log: EventLog) -> None:
    log.events = [event(0)]
    sync(world, source)
    log.events = [event(0, amount="99")]
    report = sync(world, source)
    assert (report.counts.inserted, report.counts.updated) == (0, 0)
    assert [row["amount"] for row in stored(world)] == ["1.50"]


def test_law_3_the_watermark_is_the_newest_event_that_was_read_and_never_moves_back(
    world: World, source: Connector, log: EventLog
) -> None:
    log.events = [event(3), event(9), event(1)]
    assert sync(world, source).after.instant == datetime(2026, 5, 20, 8, 9, tzinfo=UTC)
    log.events = []
    assert sync(world, source).after.instant == datetime(2026, 5, 20, 8, 9, tzinfo=UTC)
    log.events = [event(8)]
    late = sync(world, source)
    assert late.after.instant == datetime(2026, 5, 20, 8, 9, tzinfo=UTC)
    assert late.counts.inserted == 1, "The overlap is there for an event that comes late."


def test_law_6_an_event_without_an_id_is_set_aside_and_the_others_land(
    world: World, source: Connector, log: EventLog
) -> None:
    log.events = [event(0), event(1, id=""), event(2, id=None), event(3)]
    report = sync(world, source)
    assert (report.counts.quarantined, report.counts.inserted) == (2, 2)
    assert [row["id"] for row in stored(world)] == ["ev_0", "ev_3"]


def test_law_9_the_same_id_in_two_accounts_is_two_events(world: World, source: Connector, log: EventLog) -> None:
    log.events = [event(0)]
    report = world.run(EVENTS, source=source)
    assert report.counts.inserted == len(world.accounts())
