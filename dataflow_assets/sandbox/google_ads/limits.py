"""Google's quotas: operations per project in any 24 hours, calls per second and customer; and some sizes."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from dataflow_assets.sandbox.google_ads.errors import quota

_DAY = 86_400.0
_OPERATIONS = {"explorer": 2_880, "test": 15_000, "basic": 15_000, "standard": None}

Positive = Annotated[int, msgspec.Meta(gt=0)]
Amount = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds.

    The access level says how many operations a project has in 24 hours (standard: any number) unless
    `operations_per_day` does. `customer_qps` is how many calls a second one customer takes, also at once. Lifetimes are
    in seconds of world time. `history_error` is the code for days of too long ago; Google names both.
    """

    access_level: Literal["test", "explorer", "basic", "standard"] = "standard"
    operations_per_day: Positive | None = None
    customer_qps: Amount = 10_000.0
    page_rows: Positive = 10_000
    access_token_seconds: Positive = 3_599
    page_token_seconds: Positive = 86_400
    history_error: Literal["INVALID_DATE", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"] = "INVALID_DATE"

    @property
    def operations(self) -> int | None:
        """Operations in 24 hours; None for any number."""
        return self.operations_per_day or _OPERATIONS[self.access_level]


@dataclass
class _Bucket:
    """Calls a customer may still make at once; it refills by `customer_qps` a second and holds one second's calls."""

    calls: float
    at: float


class Accounting:
    """Who has called how much. `seconds` tells the time of quotas. Safe to use from several threads."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.limits = Limits()
        self._seconds = seconds
        self._lock = threading.Lock()
        self._operations: deque[float] = deque()
        self._buckets: dict[str, _Bucket] = {}

    def configure(self, changes: dict[str, object]) -> None:
        """Change some thresholds. Raises msgspec.ValidationError for an unknown name or a wrong type."""
        merged = {**msgspec.to_builtins(self.limits), **changes}
        with self._lock:
            self.limits = msgspec.convert(merged, Limits)
            self._buckets.clear()

    def reset(self) -> None:
        """Forget all calls and go back to the default thresholds."""
        with self._lock:
            self.limits = Limits()
            self._operations.clear()
            self._buckets.clear()

    def charge(self, customer: str | None, *, operation: bool) -> None:
        """Count one call; a further page of an answer is a call but no `operation`. Refused calls do not count.

        Raises:
            AdsError: RESOURCE_EXHAUSTED of scope DEVELOPER when the project has used up its operations, with the time
                until one is free; RESOURCE_TEMPORARILY_EXHAUSTED of scope ACCOUNT for too many calls a second.
        """
        now = self._seconds()
        with self._lock:
            if operation:
                self._check_operations(now)
            if customer is not None:
                self._take(customer, now)
            if operation:
                self._operations.append(now)

    def _check_operations(self, now: float) -> None:
        while self._operations and self._operations[0] <= now - _DAY:
            self._operations.popleft()
        most = self.limits.operations
        if most is not None and len(self._operations) >= most:
            # The call that has to leave the 24 hours before there is room for one more.
            leaves = self._operations[len(self._operations) - most] + _DAY
            name = f"Number of operations for {self.limits.access_level} access"
            raise quota("RESOURCE_EXHAUSTED", "DEVELOPER", name, float(-(-(leaves - now) // 1)))

    def _take(self, customer: str, now: float) -> None:
        rate = self.limits.customer_qps
        most = max(1.0, rate)
        bucket = self._buckets.setdefault(customer, _Bucket(most, now))
        bucket.calls = min(most, bucket.calls + max(0.0, now - bucket.at) * rate)
        bucket.at = now
        if bucket.calls < 1:
            seconds = max(0.001, (1 - bucket.calls) / rate)
            raise quota("RESOURCE_TEMPORARILY_EXHAUSTED", "ACCOUNT", "Requests per second and customer", seconds)
        bucket.calls -= 1
