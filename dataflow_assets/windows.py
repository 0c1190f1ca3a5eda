"""Windows of time and their arithmetic. Days are the vendor account's own calendar days; instants are aware.

A day window is half open: [start, end). Nothing here asks what time it is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class DayWindow:
    """Report days from `start` up to, but without, `end`."""

    start: date
    end: date

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise ValueError(f"A window needs at least one day: {self.start} to {self.end} holds none.")

    def __str__(self) -> str:
        last = self.end - ONE_DAY
        return f"{self.start}" if last == self.start else f"{self.start}...{last}"

    def __contains__(self, day: date) -> bool:
        return self.start <= day < self.end

    @property
    def days(self) -> list[date]:
        """Every day of the window, in order."""
        return [self.start + timedelta(days=n) for n in range((self.end - self.start).days)]

    def clip(self, *, start: date | None = None, end: date | None = None) -> "DayWindow | None":
        """The part between the bounds, or None when nothing is left."""
        low = self.start if start is None else max(self.start, start)
        high = self.end if end is None else min(self.end, end)
        return DayWindow(low, high) if low < high else None

    def slices(self, size: int) -> Iterator["DayWindow"]:
        """Consecutive windows of at most `size` days, oldest first."""
        start = self.start
        while start < self.end:
            end = min(start + timedelta(days=size), self.end)
            yield DayWindow(start, end)
            start = end

    def halves(self) -> tuple["DayWindow", "DayWindow"]:
        """Two windows that together are this one. Raises ValueError on a window of one day."""
        middle = self.start + (self.end - self.start) // 2
        return DayWindow(self.start, middle), DayWindow(middle, self.end)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which a calendar day of the zone begins."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The calendar day of the zone in which an instant lies."""
    return instant.astimezone(zone).date()


def contiguous(days: Iterable[date]) -> list[DayWindow]:
    """The fewest windows that hold exactly these days."""
    ordered = sorted(set(days))
    if not ordered:
        return []
    starts = [ordered[0]] + [b for a, b in pairwise(ordered) if b - a > ONE_DAY]
    ends = [a + ONE_DAY for a, b in pairwise(ordered) if b - a > ONE_DAY] + [ordered[-1] + ONE_DAY]
    return [DayWindow(start, end) for start, end in zip(starts, ends, strict=True)]
