"""Days to buckets and back."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow_assets.aggregates.buckets import WIDTHS, bucket_of, first_whole, named, widened

DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


@given(days=st.sets(DAYS, min_size=1, max_size=5), bucket=st.sampled_from(sorted(WIDTHS)))
def test_days_are_widened_to_whole_buckets_and_no_further(days: set[date], bucket: str) -> None:
    windows = widened(days, bucket)
    held = {day for window in windows for day in window.days}
    assert held == {day for one in days for day in bucket_of(one, bucket).days}
    assert all(a.end < b.start for a, b in pairwise(windows)), "touching windows are one"


@pytest.mark.parametrize(
    ("day", "bucket", "expected"),
    [
        ("2026-02-28", "day", "2026-02-28"),
        ("2026-02-28", "week", "2026-02-23...2026-03-01"),  # Monday to Sunday
        ("2026-03-01", "week", "2026-02-23...2026-03-01"),
        ("2028-02-29", "month", "2028-02-01...2028-02-29"),
        ("2026-12-31", "month", "2026-12-01...2026-12-31"),
        ("2026-12-31", "week", "2026-12-28...2027-01-03"),
    ],
)
def test_weeks_begin_on_monday_and_months_on_the_first(day: str, bucket: str, expected: str) -> None:
    assert str(bucket_of(date.fromisoformat(day), bucket)) == expected


@given(day=DAYS, bucket=st.sampled_from(sorted(WIDTHS)))
def test_the_first_whole_bucket_holds_nothing_before_its_day(day: date, bucket: str) -> None:
    start = first_whole(day, bucket)
    assert bucket_of(start, bucket).start == start >= day
    assert start - day < timedelta(days=31)


def test_of_very_many_buckets_the_first_are_named() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(22)]
    assert named(days[:2]) == "2026-01-01, 2026-01-02"
    assert named(days).endswith("2026-01-20 and 2 more")
