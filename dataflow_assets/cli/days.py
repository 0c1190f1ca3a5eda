"""Ranges of report days as people give them."""

from datetime import UTC, date, datetime

from dataflow_assets.partitions import DAILY


def first_day() -> date:
    """The first partition."""
    return DAILY.start.date()


def last_day() -> date:
    """The newest partition: today in UTC."""
    return datetime.now(UTC).date()


def wrong_range(start: date, end: date) -> str | None:
    """What is wrong with a range whose ends are both included, or None."""
    if end < start:
        return f"--from {start} lies after --to {end}."
    first = first_day()
    if start < first:
        return f"{start} lies before the first partition, {first}. DATAFLOW_PARTITIONS_START sets it."
    today = last_day()
    if end > today:
        return f"{end} is in the future: the newest partition is {today} (UTC)."
    return None
