"""Days, weeks and months as the buckets of aggregates. Weeks begin on Monday; a bucket is named by its first day."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from dataflow_assets.windows import DayWindow, contiguous

MOST_NAMED = 20
# As TimescaleDB's time_bucket and ours take them.
WIDTHS = {"day": "1 day", "week": "7 days", "month": "1 month"}


def bucket_of(day: date, bucket: str) -> DayWindow:
    """The bucket in which a day lies."""
    if bucket == "day":
        return DayWindow(day, day + timedelta(days=1))
    if bucket == "week":
        start = day - timedelta(days=day.weekday())
        return DayWindow(start, start + timedelta(days=7))
    start = day.replace(day=1)
    return DayWindow(start, (start + timedelta(days=31)).replace(day=1))


def widened(days: Iterable[date], bucket: str) -> list[DayWindow]:
    """The fewest windows of whole buckets that hold these days."""
    buckets = {bucket_of(day, bucket) for day in days}
    return contiguous(day for window in buckets for day in window.days)


def first_whole(day: date, bucket: str) -> date:
    """Where the first bucket begins that holds nothing before this day."""
    found = bucket_of(day, bucket)
    return day if found.start == day else found.end


def named(days: Sequence[date]) -> str:
    """Buckets for people, by their first days; of very many the first and how many more."""
    text = ", ".join(day.isoformat() for day in days[:MOST_NAMED])
    return text if len(days) <= MOST_NAMED else f"{text} and {len(days) - MOST_NAMED} more"
