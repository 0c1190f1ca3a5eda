"""LinkedIn's limiters: a day's quota of calls for each resource, and what may be read within minutes.

apis/linkedin_ads.md, section 3. Nothing of them shows in headers.
"""

import threading
from collections import Counter, deque
from typing import Annotated

import msgspec

from dataflow_assets.sandbox.linkedin_ads.errors import day_limit, resource_limit, value_limit
from dataflow_assets.sandbox.world import Clock

_VALUES_SECONDS = 300.0
_BURST_SECONDS = 10.0

Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
Month = Annotated[str, msgspec.Meta(pattern=r"^\d{4}(0[1-9]|1[0-2])$")]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds and switches. LinkedIn publishes no quotas; these are so high that only who asks for them meets them.

    `most_rows` is where adAnalytics cuts off without a word, `most_fields` how many fields it gives. `longest_query` is
    in characters. `batch_counts_each` charges a BATCH_GET for each id. `list_all_statuses` has finders without a word
    about status yield archived and removed things too. `newest_version` is the newest that exists.
    """

    most_rows: Positive = 15_000
    most_fields: Positive = 20
    most_page_size: Positive = 1_000
    longest_query: Positive = 4_096
    app_calls_per_day: Positive = 15_000_000
    member_calls_per_day: Positive = 15_000_000
    calls_per_10_seconds: Positive = 1_000_000
    values_per_5_minutes: Positive = 45_000_000
    batch_counts_each: bool = False
    list_all_statuses: bool = False
    refuse_search_with_page_token: bool = False
    newest_version: Month = "202608"
    token_warm_up_seconds: Seconds = 0.0
    refresh_token_days: Positive = 365


class _Rolling:
    """The sum of what was added within the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._parts: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, now: float, amount: int) -> None:
        self._parts.append((now, amount))
        self._sum += amount

    def read(self, now: float) -> int:
        while self._parts and now - self._parts[0][0] >= self._seconds:
            self._sum -= self._parts.popleft()[1]
        return self._sum


class Accounting:
    """Who has called how much. There is one application with one member. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self.limits = Limits()
        self._clock = clock
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._day = 0
        self._today: Counter[str] = Counter()
        self._calls: dict[str, _Rolling] = {}
        self._values = _Rolling(_VALUES_SECONDS)

    def seconds(self) -> float:
        """The time that short limits run by: that of the world, and real time while the world stands still."""
        return self._clock.limiter_seconds()

    def configure(self, changes: dict[str, object]) -> None:
        """Change some thresholds. Raises msgspec.ValidationError for an unknown name or a wrong type."""
        merged = {**msgspec.to_builtins(self.limits), **changes}
        self.limits = msgspec.convert(merged, Limits)

    def reset(self) -> None:
        """Forget all calls and go back to the default thresholds."""
        with self._lock:
            self.limits = Limits()
            self._forget()

    def charge(self, resource: str, calls: int, *, analytics: bool) -> None:
        """Count calls of a resource. A refused one counts as well.

        Raises:
            RestError: 429 when the day's quota of the resource is used up (until 00:00 UTC), when there were too many
                calls within 10 seconds, or when `analytics` has given its metric values of 5 minutes.
        """
        now, limits = self.seconds(), self.limits
        today = self._clock.now().toordinal()
        with self._lock:
            if today != self._day:
                self._day = today
                self._today.clear()
            self._today[resource] += calls
            burst = self._calls.setdefault(resource, _Rolling(_BURST_SECONDS))
            burst.add(now, calls)
            if self._today[resource] > limits.app_calls_per_day:
                raise day_limit("APPLICATION")
            if self._today[resource] > limits.member_calls_per_day:
                raise day_limit("APPLICATION_AND_MEMBER")
            if burst.read(now) > limits.calls_per_10_seconds:
                raise resource_limit()
            if analytics and self._values.read(now) >= limits.values_per_5_minutes:
                raise value_limit()

    def served(self, values: int) -> None:
        """Count the metric values of an analytics answer: metrics x rows."""
        with self._lock:
            self._values.add(self.seconds(), values)
