"""Which days to ask an account for. Pure functions of what is known and of the vendor's time."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from dataflow_assets.resources.watermarks import Watermark
from dataflow_assets.windows import ONE_DAY, DayWindow, day_start, local_day


@dataclass(frozen=True)
class ReportRules:
    """What a vendor's days are like. All in days."""

    lookback: int  # a day keeps changing this long
    initial_history: int
    retention: int  # older days are refused


@dataclass(frozen=True)
class Completion:
    """The part of a stored window that is over, as instants, and its last settled day."""

    complete_from: datetime
    complete_to: datetime
    settled_through: date


def incremental_window(known: Watermark | None, now: datetime, zone: ZoneInfo, rules: ReportRules) -> DayWindow:
    """Complete days to read in a daily sync.

    Reaches `lookback` days below the last day known, not below today: after an outage the days that were still changing
    when it began are read again, instead of staying at what they were. Without a watermark it is the initial history.
    """
    today = local_day(now, zone)
    if known is None:
        start = today - timedelta(days=rules.initial_history)
    else:
        start = min(local_day(known.instant, zone), today) - timedelta(days=rules.lookback)
        if known.complete_from is not None:
            # A first run that broke off must not be answered by reading days older than it was to read.
            start = max(start, local_day(known.complete_from, zone))
    return DayWindow(max(start, today - timedelta(days=rules.retention)), today)


def readable(window: DayWindow, now: datetime, zone: ZoneInfo, rules: ReportRules) -> DayWindow | None:
    """The part of a window that the vendor still holds and that has begun; today's unfinished day included."""
    today = local_day(now, zone)
    return window.clip(start=today - timedelta(days=rules.retention), end=today + ONE_DAY)


def completion(window: DayWindow, read_at: datetime, zone: ZoneInfo, rules: ReportRules) -> Completion | None:
    """What storing a window that was read at `read_at` makes known, or None when none of its days is over."""
    today = local_day(read_at, zone)
    over = window.clip(end=today)
    if over is None:
        return None
    settled = min(over.end - ONE_DAY, today - timedelta(days=rules.lookback) - ONE_DAY)
    return Completion(day_start(over.start, zone), day_start(over.end, zone), settled)
