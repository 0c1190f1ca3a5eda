"""HubSpot's limiters: ten seconds per app, a second of search per account, a day per account.

apis/hubspot.md, section 3.
"""

import math
import threading
from collections import Counter, deque
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec

from dataflow_assets.sandbox.hubspot.errors import throttled
from dataflow_assets.sandbox.hubspot.ids import portal_id
from dataflow_assets.sandbox.hubspot.people import home
from dataflow_assets.sandbox.world import Clock
from dataflow_assets.sandbox.world.crm import Portal

_TEN_SECONDS = 10.0
_SECOND = 1.0

Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds and switches. Rates are a thousand times HubSpot's, so that only who asks for them meets them.

    `search_lag_seconds` is how old what search knows can be. `search_id_order` is how it compares record ids.
    `search_accepts_iso` lets it take ISO texts for instants besides milliseconds. `report_no_associations` tells of
    records without associations in a batch's `errors` instead of leaving them out. `associations_per_page` is for each
    record. `longest_url` is in characters.
    """

    calls_per_10_seconds: Positive = 190_000
    oauth_calls_per_10_seconds: Positive = 110_000
    search_calls_per_second: Positive = 5_000
    calls_per_day: Positive = 625_000_000
    send_retry_after: bool = False
    search_has_rate_headers: bool = False
    search_ceiling: Positive = 10_000
    search_lag_seconds: Seconds = 5.0
    search_id_order: Literal["numeric", "text"] = "numeric"
    search_accepts_iso: bool = False
    search_groups: Positive = 5
    search_filters_per_group: Positive = 6
    search_filters: Positive = 18
    associations_per_page: Positive = 500
    report_no_associations: bool = True
    longest_url: Positive = 16_000
    access_token_seconds: Positive = 1_800


class _Rolling:
    """How many calls there were within the last `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls: deque[float] = deque()

    def count(self, now: float) -> int:
        while self._calls and now - self._calls[0] >= self._seconds:
            self._calls.popleft()
        return len(self._calls)

    def add(self, now: float) -> None:
        self._calls.append(now)

    def wait(self, now: float) -> float:
        """Seconds until there is room for one more."""
        return self._calls[0] + self._seconds - now if self._calls else 0.0


class Accounting:
    """Who has called how much. Safe to use from several threads.

    Short limits run by world time, and by real time while the world stands still; a refused call is not counted.
    """

    def __init__(self, clock: Clock) -> None:
        self.limits = Limits()
        self._clock = clock
        self._lock = threading.Lock()
        self._forget()

    def _forget(self) -> None:
        self._bursts: dict[tuple[int, bool], _Rolling] = {}
        self._searches: dict[int, _Rolling] = {}
        self._days: Counter[tuple[int, int]] = Counter()

    def configure(self, changes: dict[str, object]) -> None:
        """Change some thresholds. Raises msgspec.ValidationError for an unknown name or a wrong type."""
        merged = {**msgspec.to_builtins(self.limits), **changes}
        self.limits = msgspec.convert(merged, Limits)

    def reset(self) -> None:
        """Forget all calls and go back to the default thresholds."""
        with self._lock:
            self.limits = Limits()
            self._forget()

    def charge(self, portal: Portal, *, oauth: bool, is_search: bool, is_exempt: bool) -> dict[str, str]:
        """Count one call and tell the rate headers of its answer.

        A search counts by the second; what `is_exempt` counts by the day only. Calls of an OAuth app have no day.

        Raises:
            HubSpotError: 429.
        """
        now, limits = self._clock.limiter_seconds(), self.limits
        today = self._clock.now().astimezone(ZoneInfo(home(portal).zone)).toordinal()
        day = (portal.index, today)
        most = limits.oauth_calls_per_10_seconds if oauth else limits.calls_per_10_seconds
        with self._lock:
            burst = self._bursts.setdefault((portal.index, oauth), _Rolling(_TEN_SECONDS))
            searches = self._searches.setdefault(portal.index, _Rolling(_SECOND))
            if not oauth and self._days[day] >= limits.calls_per_day:
                raise throttled("DAILY")
            if is_search and searches.count(now) >= limits.search_calls_per_second:
                raise throttled("SECONDLY", self._retry_after(searches.wait(now)))
            if not is_search and not is_exempt and burst.count(now) >= most:
                raise throttled("TEN_SECONDLY_ROLLING", self._retry_after(burst.wait(now)))
            if is_search:
                searches.add(now)
            elif not is_exempt:
                burst.add(now)
            if not oauth:
                self._days[day] += 1
            if (is_search or is_exempt) and not limits.search_has_rate_headers:
                return {}
            headers = {
                "X-HubSpot-RateLimit-Interval-Milliseconds": str(int(_TEN_SECONDS * 1_000)),
                "X-HubSpot-RateLimit-Max": str(most),
                "X-HubSpot-RateLimit-Remaining": str(max(0, most - burst.count(now))),
            }
            if not oauth:
                headers["X-HubSpot-RateLimit-Daily"] = str(limits.calls_per_day)
                headers["X-HubSpot-RateLimit-Daily-Remaining"] = str(limits.calls_per_day - self._days[day])
            return headers

    def _retry_after(self, wait: float) -> float | None:
        return max(1.0, math.ceil(wait)) if self.limits.send_retry_after else None


def account_of(portal: Portal) -> str:
    """What the counters and faults call a portal."""
    return str(portal_id(portal.index))
