"""The known stretch of a report stream, joined together from slices in any order by the database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_assets.raw.plan import ReportRules, completion
from dataflow_assets.resources.warehouse import AsyncConnection, Warehouse
from dataflow_assets.resources.watermarks import (
    StreamId,
    Watermark,
    advance_entity,
    advance_report,
    read_watermark,
    read_watermarks,
)
from dataflow_assets.windows import DayWindow, local_day

RULES = ReportRules(lookback=5, initial_history=90, retention=400)
FIRST = date(2026, 3, 20)  # clocks change within the days below
ZONES = [ZoneInfo(name) for name in ("Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo")]
ON_ONE_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

_numbers = count()


@dataclass(frozen=True)
class Reading:
    """Days counted from FIRST, read on the day `on`, which may lie within them."""

    start: int
    end: int
    on: int

    @property
    def window(self) -> DayWindow:
        return DayWindow(FIRST + timedelta(days=self.start), FIRST + timedelta(days=self.end))

    @property
    def over(self) -> set[int]:
        """Days that were over when they were read."""
        return set(range(self.start, min(self.end, self.on)))

    @property
    def settled(self) -> set[int]:
        """Days that the vendor had stopped changing."""
        return {day for day in self.over if self.on - day > RULES.lookback}


readings = st.builds(
    lambda start, length, on: Reading(start, start + length, on),
    st.integers(0, 30),
    st.integers(1, 9),
    st.integers(0, 50),
)


@pytest.fixture(scope="module")
def warehouse(empty_warehouse: Warehouse) -> Warehouse:
    empty_warehouse.migrate()
    return empty_warehouse


def on(warehouse: Warehouse, work: Callable[[AsyncConnection, StreamId], Awaitable[None]]) -> None:
    """Do the work on a connection, with a stream nobody has used before."""

    async def go() -> None:
        async with await warehouse.connect_async() as connection:
            await work(connection, StreamId("meta_ads", f"{next(_numbers)}", "insights"))

    asyncio.run(go())


async def store(connection: AsyncConnection, stream: StreamId, zone: ZoneInfo, reading: Reading) -> Watermark | None:
    """Note a reading as the sync does; tells the watermark afterwards."""
    noon = datetime.combine(FIRST + timedelta(days=reading.on), datetime.min.time(), zone) + timedelta(hours=12)
    done = completion(reading.window, noon, zone, RULES)
    if done is None:
        return await read_watermark(connection, stream)
    return await advance_report(
        connection,
        stream,
        complete_from=done.complete_from,
        complete_to=done.complete_to,
        first_day=reading.window.start,
        settled_through=done.settled_through,
    )


def stretch(mark: Watermark, zone: ZoneInfo) -> tuple[int, int]:
    """The known stretch in days from FIRST, half open."""
    assert mark.complete_from
    return (local_day(mark.complete_from, zone) - FIRST).days, (local_day(mark.instant, zone) - FIRST).days


@ON_ONE_DATABASE
@given(st.lists(readings, max_size=12), st.sampled_from(ZONES))
def test_law_3_in_any_order_of_slices_the_watermark_never_passes_a_gap_and_never_moves_back(
    warehouse: Warehouse, told: list[Reading], zone: ZoneInfo
) -> None:
    async def work(connection: AsyncConnection, stream: StreamId) -> None:
        stored: set[int] = set()
        model: tuple[int, int] | None = None
        for reading in told:
            before = await read_watermark(connection, stream)
            mark = await store(connection, stream, zone, reading)
            stored |= reading.over
            if reading.over:
                low, high = min(reading.over), max(reading.over) + 1
                if model is None:
                    model = low, high
                elif low <= model[1] and high >= model[0]:
                    model = min(low, model[0]), max(high, model[1])
            if model is None:
                assert mark is None
                continue
            assert mark
            assert stretch(mark, zone) == model
            assert set(range(*stretch(mark, zone))) <= stored
            if before:
                assert mark.instant >= before.instant
                assert before.complete_from
                assert mark.complete_from
                assert mark.complete_from <= before.complete_from

    on(warehouse, work)


@ON_ONE_DATABASE
@given(st.lists(readings, max_size=12), st.sampled_from(ZONES))
def test_law_5_settled_days_are_days_that_were_read_late_enough(
    warehouse: Warehouse, told: list[Reading], zone: ZoneInfo
) -> None:
    async def work(connection: AsyncConnection, stream: StreamId) -> None:
        settled: set[int] = set()
        before: Watermark | None = None
        for reading in sorted(told, key=lambda one: one.on):
            mark = await store(connection, stream, zone, reading)
            settled |= reading.settled
            if mark and mark.settled_through:
                through = (mark.settled_through - FIRST).days
                assert through in settled
                assert set(range(stretch(mark, zone)[0], through + 1)) <= settled
                assert mark.settled_through < local_day(mark.instant, zone), "Settled, but not known complete."
                if before and before.settled_through:
                    assert mark.settled_through >= before.settled_through
            before = mark

    on(warehouse, work)


def test_slices_that_come_in_order_are_one_stretch(warehouse: Warehouse) -> None:
    async def work(connection: AsyncConnection, stream: StreamId) -> None:
        mark = None
        for start in range(0, 30, 10):
            mark = await store(connection, stream, ZONES[0], Reading(start, start + 10, 31))
        assert mark
        assert stretch(mark, ZONES[0]) == (0, 30)
        assert mark.settled_through == FIRST + timedelta(days=25)

    on(warehouse, work)


def test_days_settle_night_after_night(warehouse: Warehouse) -> None:
    async def work(connection: AsyncConnection, stream: StreamId) -> None:
        await store(connection, stream, ZONES[0], Reading(0, 20, 20))
        for today in range(21, 40):
            # As planned: from the lookback below the last known day.
            mark = await store(connection, stream, ZONES[0], Reading(today - 1 - RULES.lookback, today, today))
            assert mark
            assert stretch(mark, ZONES[0]) == (0, today)
            assert mark.settled_through == FIRST + timedelta(days=today - RULES.lookback - 1)

    on(warehouse, work)


def test_days_settle_night_after_night_also_when_old_detached_days_were_fetched_first(warehouse: Warehouse) -> None:
    async def work(connection: AsyncConnection, stream: StreamId) -> None:
        # A short first history, none of it settled; then a backfill of days long before it.
        await store(connection, stream, ZONES[0], Reading(17, 20, 20))
        await store(connection, stream, ZONES[0], Reading(0, 5, 20))
        mark = None
        for today in range(21, 40):
            mark = await store(connection, stream, ZONES[0], Reading(max(17, today - 1 - RULES.lookback), today, today))
        assert mark
        assert stretch(mark, ZONES[0]) == (17, 39)
        assert mark.settled_through == FIRST + timedelta(days=39 - RULES.lookback - 1)

    on(warehouse, work)


def test_law_3_an_entity_watermark_is_the_newest_change_read_and_never_moves_back(warehouse: Warehouse) -> None:
    times = [datetime(2026, 5, 1, 12, minute, tzinfo=UTC) for minute in (5, 9, 2, 9, 11)]

    async def work(connection: AsyncConnection, stream: StreamId) -> None:
        newest = times[0]
        for n, moment in enumerate(times):
            newest = max(newest, moment)
            # Only every second reading lists everything.
            swept = moment if n % 2 == 0 else None
            await advance_entity(connection, stream, newest=moment, swept_at=swept)
            mark = await read_watermark(connection, stream)
            assert mark
            assert mark.instant == newest
            assert mark.complete_from is None
            assert mark.swept_at == max(times[: n + 1 : 2])

    on(warehouse, work)


def test_every_watermark_is_found_by_its_stream(warehouse: Warehouse) -> None:
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    streams = [StreamId("meta_ads", account, name) for account in ("one", "two") for name in ("ads", "campaigns")]

    async def work(connection: AsyncConnection, _stream: StreamId) -> None:
        for n, stream in enumerate(streams):
            await advance_entity(connection, stream, newest=moment + timedelta(days=n), swept_at=None)

    on(warehouse, work)
    with warehouse.connect() as connection:
        found = read_watermarks(connection)
    assert {stream: found[stream].instant for stream in streams} == {
        stream: moment + timedelta(days=n) for n, stream in enumerate(streams)
    }
