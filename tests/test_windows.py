"""Windows of days: nothing is lost and nothing doubled when they are cut, clipped and put together."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_assets.windows import ONE_DAY, DayWindow, contiguous, day_start, local_day

CALM = settings(deadline=None, derandomize=True)  # the same in every run, on any machine
# Half-hour offsets, half-hour changes (Lord Howe), changes at midnight (Havana, Beirut, Cairo), both hemispheres.
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
    "America/St_Johns",
    "America/Havana",
    "Asia/Beirut",
    "America/Sao_Paulo",
    "Africa/Cairo",
)
NOON = time(12)


def days_of_change(zone: ZoneInfo, first: date, last: date) -> list[date]:
    """Days on which the clocks are changed."""
    found = DayWindow(first, last).days
    offsets = [datetime.combine(day, NOON, zone).utcoffset() for day in found]
    return [day for day, (before, after) in zip(found[1:], pairwise(offsets), strict=True) if before != after]


CHANGES = [
    (zone, day) for zone in map(ZoneInfo, ZONES) for day in days_of_change(zone, date(2016, 1, 1), date(2028, 1, 1))
]
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(2000, 1, 1), date(2035, 12, 31))
windows = st.builds(lambda start, length: DayWindow(start, start + timedelta(days=length)), days, st.integers(1, 120))

# A day of a zone, more often than not one around a change of clocks.
zoned_days = st.one_of(
    st.tuples(zones, days),
    st.builds(
        lambda change, by: (change[0], change[1] + timedelta(days=by)), st.sampled_from(CHANGES), st.integers(-1, 1)
    ),
)


def every_day(parts: list[DayWindow]) -> list[date]:
    return [day for part in parts for day in part.days]


@CALM
@given(windows)
def test_a_window_holds_its_days_and_no_others(window: DayWindow) -> None:
    assert window.days == [window.start + timedelta(days=n) for n in range((window.end - window.start).days)]
    assert all(day in window for day in window.days)
    assert window.start - ONE_DAY not in window
    assert window.end not in window


@CALM
@given(days, st.integers(0, 30))
def test_a_window_without_days_cannot_be_made(start: date, back: int) -> None:
    with pytest.raises(ValueError, match="at least one day"):
        DayWindow(start, start - timedelta(days=back))


@CALM
@given(windows, st.integers(1, 500))
def test_slices_cover_the_window_in_order_without_overlap(window: DayWindow, size: int) -> None:
    slices = list(window.slices(size))
    assert every_day(slices) == window.days
    assert all(len(part.days) == size for part in slices[:-1])
    assert 1 <= len(slices[-1].days) <= size


@CALM
@given(windows)
def test_halves_are_the_window_and_differ_by_one_day_at_most(window: DayWindow) -> None:
    if len(window.days) == 1:
        with pytest.raises(ValueError, match="at least one day"):
            window.halves()
        return
    first, second = window.halves()
    assert every_day([first, second]) == window.days
    assert len(second.days) - len(first.days) in {0, 1}


@CALM
@given(windows, st.none() | days, st.none() | days)
def test_clipping_keeps_the_days_between_the_bounds(window: DayWindow, start: date | None, end: date | None) -> None:
    clipped = window.clip(start=start, end=end)
    kept = [day for day in window.days if (start is None or day >= start) and (end is None or day < end)]
    assert (clipped.days if clipped else []) == kept


@CALM
@given(st.lists(days | st.dates(date(2026, 1, 1), date(2026, 2, 1))))
def test_contiguous_windows_hold_exactly_the_days_and_cannot_be_joined(found: list[date]) -> None:
    parts = contiguous(found)
    assert every_day(parts) == sorted(set(found))
    assert all(a.end < b.start for a, b in pairwise(parts))


@CALM
@given(st.lists(windows, max_size=5))
def test_contiguous_joins_windows_that_touch(parts: list[DayWindow]) -> None:
    assert set(every_day(contiguous(every_day(parts)))) == set(every_day(parts))
    assert contiguous(parts[0].days if parts else []) == parts[:1]


@CALM
@given(zoned_days)
def test_the_start_of_a_day_lies_in_that_day_and_just_after_the_day_before(zoned: tuple[ZoneInfo, date]) -> None:
    zone, day = zoned
    start = day_start(day, zone)
    assert start.tzinfo is UTC
    assert local_day(start, zone) == day
    assert local_day(start - timedelta(microseconds=1), zone) == day - ONE_DAY


@CALM
@given(zoned_days, st.timedeltas(timedelta(0), timedelta(hours=30)))
def test_every_instant_lies_between_the_starts_of_its_day_and_the_next(
    zoned: tuple[ZoneInfo, date], later: timedelta
) -> None:
    zone, day = zoned
    instant = day_start(day, zone) + later
    found = local_day(instant, zone)
    assert day_start(found, zone) <= instant < day_start(found + ONE_DAY, zone)


@CALM
@given(zoned_days)
def test_days_are_as_long_as_clocks_make_them(zoned: tuple[ZoneInfo, date]) -> None:
    zone, day = zoned
    length = day_start(day + ONE_DAY, zone) - day_start(day, zone)
    assert length in {timedelta(hours=hours) for hours in (23, 23.5, 24, 24.5, 25)}


def test_days_of_a_change_of_clocks_are_shorter_and_longer() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)):
        assert day_start(day + ONE_DAY, berlin) - day_start(day, berlin) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("window", "text"),
    [
        (DayWindow(date(2026, 1, 1), date(2026, 1, 2)), "2026-01-01"),
        (DayWindow(date(2026, 1, 1), date(2026, 1, 4)), "2026-01-01...2026-01-03"),
    ],
)
def test_people_read_the_first_and_the_last_day(window: DayWindow, text: str) -> None:
    assert str(window) == text
