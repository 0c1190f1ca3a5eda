"""Which days are asked for, and what is known once they are stored."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.raw.plan import Completion, ReportRules, completion, incremental_window, readable
from dataflow_assets.resources.watermarks import Watermark
from dataflow_assets.windows import ONE_DAY, DayWindow, day_start, local_day

RULES = ReportRules(lookback=28, initial_history=90, retention=1_123)
BERLIN, TOKYO, LOS_ANGELES = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Tokyo"), ZoneInfo("America/Los_Angeles")
NIGHT = datetime(2026, 11, 20, 2, tzinfo=UTC)  # 20 November in Berlin and Tokyo, 19 November in Los Angeles


def known(day: date, zone: ZoneInfo = BERLIN) -> Watermark:
    """Complete up to the beginning of that day."""
    return Watermark(day_start(day, zone))


# ------------------------------------------------------------------ the nightly window


def test_the_example_of_the_design() -> None:
    window = incremental_window(known(date(2026, 11, 20)), NIGHT, BERLIN, RULES)
    assert window == DayWindow(date(2026, 10, 23), date(2026, 11, 20))
    done = completion(window, NIGHT, BERLIN, RULES)
    assert done == Completion(
        complete_from=datetime(2026, 10, 22, 22, tzinfo=UTC),  # summer time
        complete_to=datetime(2026, 11, 19, 23, tzinfo=UTC),  # winter time
        settled_through=date(2026, 10, 22),
    )


def test_a_night_after_a_night_reads_the_day_that_has_just_settled_too() -> None:
    window = incremental_window(known(date(2026, 11, 19)), NIGHT, BERLIN, RULES)
    assert window == DayWindow(date(2026, 10, 22), date(2026, 11, 20))
    done = completion(window, NIGHT, BERLIN, RULES)
    assert done
    assert done.settled_through == date(2026, 10, 22)


@pytest.mark.parametrize(
    ("zone", "start", "end"),
    [
        (BERLIN, date(2026, 8, 22), date(2026, 11, 20)),
        (TOKYO, date(2026, 8, 22), date(2026, 11, 20)),
        (LOS_ANGELES, date(2026, 8, 21), date(2026, 11, 19)),
    ],
)
def test_a_first_run_reads_the_initial_history_up_to_the_accounts_own_midnight(
    zone: ZoneInfo, start: date, end: date
) -> None:
    assert incremental_window(None, NIGHT, zone, RULES) == DayWindow(start, end)


def test_after_an_outage_the_days_that_were_changing_when_it_began_are_read_again() -> None:
    window = incremental_window(known(date(2026, 7, 1)), NIGHT, BERLIN, RULES)
    assert window == DayWindow(date(2026, 6, 3), date(2026, 11, 20))


def test_an_outage_longer_than_the_vendors_memory_reads_what_the_vendor_still_has() -> None:
    window = incremental_window(known(date(2020, 1, 1)), NIGHT, BERLIN, RULES)
    assert window == DayWindow(date(2026, 11, 20) - timedelta(days=RULES.retention), date(2026, 11, 20))


def test_a_watermark_of_the_future_does_not_hide_days() -> None:
    window = incremental_window(known(date(2027, 1, 1)), NIGHT, BERLIN, RULES)
    assert window == DayWindow(date(2026, 10, 23), date(2026, 11, 20))


rules = st.builds(ReportRules, lookback=st.integers(1, 90), initial_history=st.integers(1, 400), retention=st.just(400))
zones = st.sampled_from([ZoneInfo(z) for z in ("Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata")]) | (
    st.sampled_from([BERLIN, TOKYO, LOS_ANGELES])
)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(instants, zones, rules, st.none() | st.integers(0, 500))
def test_the_window_ends_at_the_accounts_midnight_and_leaves_no_day_behind(
    now: datetime, zone: ZoneInfo, rule: ReportRules, behind: int | None
) -> None:
    today = local_day(now, zone)
    mark = None if behind is None else known(today - timedelta(days=behind), zone)
    window = incremental_window(mark, now, zone, rule)
    assert window.end == today
    assert (today - window.start).days <= rule.retention
    assert readable(window, now, zone, rule) == window
    if behind is not None and behind + rule.lookback <= rule.retention:
        # Every unread day, and every day that was still changing when the last known one was read.
        assert window.start == today - timedelta(days=behind + rule.lookback)


@given(zones, rules, st.lists(st.integers(1, 40), min_size=1, max_size=12), st.data())
def test_law_5_every_day_is_read_again_after_the_vendor_has_stopped_changing_it(
    zone: ZoneInfo, rule: ReportRules, gaps: list[int], data: st.DataObject
) -> None:
    """Runs at any hour, after pauses of any length: no day stays at what it was while it was still changing."""
    now = day_start(date(2026, 3, 1), zone) + timedelta(hours=data.draw(st.integers(0, 22)))
    mark: Watermark | None = None
    last_read: dict[date, int] = {}  # at which age
    for gap in gaps:
        window = incremental_window(mark, now, zone, rule)
        today = local_day(now, zone)
        for day in window.days:
            last_read[day] = (today - day).days
        done = completion(window, now, zone, rule)
        assert done
        mark = Watermark(done.complete_to)
        settled = {day for day in last_read if day <= done.settled_through}
        assert all(last_read[day] > rule.lookback for day in settled)
        now += timedelta(days=gap, hours=data.draw(st.integers(-1, 1)))
    too_young = today - timedelta(days=rule.lookback)
    assert {day for day, age in last_read.items() if age <= rule.lookback} <= {
        day for day in last_read if day >= too_young
    }


# ------------------------------------------------------------------ what can be read


def test_a_window_is_cut_at_retention_and_after_the_running_day() -> None:
    window = DayWindow(date(2020, 1, 1), date(2030, 1, 1))
    assert readable(window, NIGHT, BERLIN, RULES) == DayWindow(
        date(2026, 11, 20) - timedelta(days=RULES.retention), date(2026, 11, 21)
    )
    assert readable(window, NIGHT, LOS_ANGELES, RULES) == DayWindow(
        date(2026, 11, 19) - timedelta(days=RULES.retention), date(2026, 11, 20)
    )


@pytest.mark.parametrize(
    "window",
    [DayWindow(date(2026, 11, 21), date(2026, 11, 25)), DayWindow(date(2019, 1, 1), date(2019, 2, 1))],
)
def test_nothing_of_the_future_and_nothing_the_vendor_has_dropped_can_be_read(window: DayWindow) -> None:
    assert readable(window, NIGHT, BERLIN, RULES) is None


# ------------------------------------------------------------------ what is known afterwards


def test_law_3_the_running_day_is_not_complete() -> None:
    today = date(2026, 11, 20)
    assert completion(DayWindow(today, today + ONE_DAY), NIGHT, BERLIN, RULES) is None
    done = completion(DayWindow(today - ONE_DAY, today + ONE_DAY), NIGHT, BERLIN, RULES)
    assert done
    assert done.complete_to == day_start(today, BERLIN)


def test_a_day_that_is_over_in_tokyo_still_runs_in_los_angeles() -> None:
    window = DayWindow(date(2026, 11, 19), date(2026, 11, 20))
    assert completion(window, NIGHT, TOKYO, RULES)
    assert completion(window, NIGHT, LOS_ANGELES, RULES) is None


@given(
    instants,
    zones,
    rules,
    st.builds(
        lambda start, length: DayWindow(start, start + timedelta(days=length)),
        st.dates(date(2025, 10, 1), date(2027, 2, 1)),
        st.integers(1, 60),
    ),
)
def test_law_3_only_days_that_are_over_are_complete_and_only_old_ones_are_settled(
    read_at: datetime, zone: ZoneInfo, rule: ReportRules, window: DayWindow
) -> None:
    done = completion(window, read_at, zone, rule)
    today = local_day(read_at, zone)
    over = [day for day in window.days if day_start(day + ONE_DAY, zone) <= read_at]
    if not over:
        assert done is None
        return
    assert done
    assert (local_day(done.complete_from, zone), local_day(done.complete_to, zone)) == (over[0], over[-1] + ONE_DAY)
    assert done.complete_to <= read_at
    settled = [day for day in over if (today - day).days > rule.lookback]
    if settled:
        assert done.settled_through == settled[-1]
    else:
        assert done.settled_through < over[0]
