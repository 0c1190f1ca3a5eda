"""Stripe's limiters: calls a second of each endpoint and of the whole account. apis/stripe.md, section 3."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from dataflow_assets.sandbox.stripe.errors import rate_limited

Positive = Annotated[int, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds. Calls are a hundred times what Stripe allows, so that only who asks for its limits meets them.

    Stripe: 25 a second of each endpoint, 100 of all together (25 in a Stripe sandbox). `should_retry` is what a 429
    says in the header of that name. `embedded_rows` is how many rows a list inside an object holds, `most_rows` the
    largest page.
    """

    endpoint_calls_per_second: Positive = 2_500
    account_calls_per_second: Positive = 10_000
    should_retry: Literal["absent", "true", "false"] = "absent"
    embedded_rows: Positive = 10
    most_rows: Positive = 100


@dataclass
class _Bucket:
    """Tokens for one second of calls; they come back at the same rate."""

    tokens: float
    at: float

    def take(self, now: float, most: int) -> bool:
        self.tokens = min(float(most), self.tokens + max(0.0, now - self.at) * most)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Accounting:
    """Who has called how much. `seconds` tells the time that buckets fill by. Safe to use from several threads."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.limits = Limits()
        self._seconds = seconds
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str], _Bucket] = {}

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
            self._buckets.clear()

    def charge(self, account: str, endpoint: str) -> None:
        """Count one call. A refused one costs nothing.

        Raises:
            StripeError: 429 `rate_limit` when it is one too many of its endpoint, or of the account.
        """
        now, limits = self._seconds(), self.limits
        with self._lock:
            passes = self._take(account, endpoint, limits.endpoint_calls_per_second, now)
            reason = "endpoint-rate"
            if passes:
                passes = self._take(account, "", limits.account_calls_per_second, now)
                reason = "global-rate"
        if not passes:
            said = {"true": True, "false": False}.get(limits.should_retry)
            raise rate_limited(reason, should_retry=said)

    def _take(self, account: str, endpoint: str, most: int, now: float) -> bool:
        return self._buckets.setdefault((account, endpoint), _Bucket(float(most), now)).take(now, most)
