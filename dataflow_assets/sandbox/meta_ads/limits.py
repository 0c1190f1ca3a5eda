"""Meta's limiters: accounting per account and app, the usage headers it shows in, and the block when it is overdrawn.

apis/meta_ads.md, section 3. All levels leak: a score over `score_decay_seconds`, the others over an hour.
"""

import json
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from dataflow_assets.sandbox.meta_ads.errors import GraphError

_HOUR = 3_600.0
FULL = 100


Positive = Annotated[int, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds. Call limits are ten times Meta's for full access, so that only who asks for it meets them.

    `reduce_page_cells` refuses synchronous insights whose page has more rows x fields, `reduce_query_cells` those whose
    whole answer has; None never refuses. `async_polls` is how often a report is polled until it is complete.
    """

    access_tier: str = "standard_access"
    score_max: Positive = 90_000
    score_decay_seconds: Seconds = 300.0
    block_seconds: Seconds = 60.0
    insights_calls_per_hour: Positive = 1_900_000
    management_calls_per_hour: Positive = 1_000_000
    app_calls_per_hour: Positive = 10_000_000
    insights_rows_per_hour: Positive = 500_000_000
    max_limit: Positive = 5_000
    reduce_page_cells: Positive | None = None
    reduce_query_cells: Positive | None = None
    async_polls: Positive = 2


@dataclass
class _Tank:
    """A level that leaks at a constant rate: `most` runs out in `seconds`."""

    level: float = 0.0
    at: float = 0.0

    def read(self, now: float, most: float, seconds: float) -> float:
        self.level = max(0.0, self.level - max(0.0, now - self.at) * most / seconds)
        self.at = now
        return self.level


@dataclass
class _Account:
    score: _Tank = field(default_factory=_Tank)
    insights: _Tank = field(default_factory=_Tank)
    management: _Tank = field(default_factory=_Tank)
    rows: _Tank = field(default_factory=_Tank)
    blocked_until: dict[str, float] = field(default_factory=dict)


class Accounting:
    """Who has called how much. `seconds` tells the time that levels leak by. Safe to use from several threads."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.limits = Limits()
        self._seconds = seconds
        self._lock = threading.Lock()
        self._accounts: dict[str, _Account] = {}
        self._app = _Tank()

    def configure(self, changes: dict[str, object]) -> None:
        """Change some thresholds. Raises msgspec.ValidationError for an unknown name or a wrong type."""
        merged = {**msgspec.to_builtins(self.limits), **changes}
        self.limits = msgspec.convert(merged, Limits)

    def reset(self) -> None:
        """Forget all calls and go back to the default thresholds."""
        with self._lock:
            self.limits = Limits()
            self._accounts.clear()
            self._app = _Tank()

    def charge(self, account: str | None, *, insights: bool) -> None:
        """Count one call.

        Raises:
            GraphError: a throttle (4, 17, 80000 or 80004) when the call is one too many, or comes during a block;
                then the block is extended.
        """
        now, limits = self._seconds(), self.limits
        with self._lock:
            self._app.level = self._app.read(now, limits.app_calls_per_hour, _HOUR) + 1
            if self._app.level > limits.app_calls_per_hour:
                raise GraphError(4, "(#4) Application request limit reached", status=403, transient=True)
            if account is None:
                return
            books = self._accounts.setdefault(account, _Account())
            books.score.level = books.score.read(now, limits.score_max, limits.score_decay_seconds) + 1
            use_case = "ads_insights" if insights else "ads_management"
            calls, most = self._calls(books, use_case)
            calls.level = calls.read(now, most, _HOUR) + 1
            if self._blocks(books, "score", now, books.score.level > limits.score_max):
                raise GraphError(17, "(#17) User request limit reached", subcode=2446079, transient=True)
            if self._blocks(books, use_case, now, self._percent(books, use_case, now) > FULL):
                code = 80_000 if insights else 80_004
                text = f"(#{code}) There have been too many calls to this ad-account. Wait a bit and try again."
                raise GraphError(code, text, subcode=2446079, transient=False)

    def served(self, account: str, rows: int) -> None:
        """Count the rows of an insights answer: what Meta calls CPU and wall time."""
        now = self._seconds()
        with self._lock:
            tank = self._accounts.setdefault(account, _Account()).rows
            tank.level = tank.read(now, self.limits.insights_rows_per_hour, _HOUR) + rows

    def headers(self, *accounts: str) -> dict[str, str]:
        """The usage headers of an answer about these accounts; a batch can be about several.

        All figures are percentages, but `reset_time_duration` is in seconds and `estimated_time_to_regain_access` in
        minutes.
        """
        now, limits = self._seconds(), self.limits
        with self._lock:
            app = self._app.read(now, limits.app_calls_per_hour, _HOUR) * FULL / limits.app_calls_per_hour
            headers = {
                "X-App-Usage": _text({"call_count": math.ceil(app), "total_time": int(app), "total_cputime": int(app)})
            }
            books = {account: self._accounts.setdefault(account, _Account()) for account in accounts}
            if not books:
                return headers
            scores = [
                one.score.read(now, limits.score_max, limits.score_decay_seconds) * FULL / limits.score_max
                for one in books.values()
            ]
            insights = max(self._percent(one, "ads_insights", now) for one in books.values())
            headers["X-Ad-Account-Usage"] = _text(
                {
                    "acc_id_util_pct": round(max(scores), 2),
                    "reset_time_duration": math.ceil(max(scores) / FULL * limits.score_decay_seconds),
                    "ads_api_access_tier": limits.access_tier,
                }
            )
            headers["X-FB-Ads-Insights-Throttle"] = _text(
                {
                    "app_id_util_pct": round(app, 2),
                    "acc_id_util_pct": round(insights, 2),
                    "ads_api_access_tier": limits.access_tier,
                }
            )
            headers["X-Business-Use-Case-Usage"] = _text(
                {
                    account: [self._use_case(one, kind, now) for kind in ("ads_management", "ads_insights")]
                    for account, one in books.items()
                }
            )
            return headers

    def _use_case(self, books: _Account, kind: str, now: float) -> dict[str, object]:
        percent = math.ceil(self._percent(books, kind, now))
        rows = int(self._rows_percent(books, now)) if kind == "ads_insights" else 0
        left = books.blocked_until.get(kind, now) - now
        if left > 0:
            # Time enough for the block to end and for one more call to have room.
            calls, most = self._calls(books, kind)
            left = max(left, (calls.level + 1 - most) / most * _HOUR, (rows - FULL) / FULL * _HOUR)
        return {
            "type": kind,
            "call_count": percent,
            "total_cputime": rows,
            "total_time": rows,
            "estimated_time_to_regain_access": math.ceil(max(0.0, left) / 60),
            "ads_api_access_tier": self.limits.access_tier,
        }

    def _calls(self, books: _Account, kind: str) -> tuple[_Tank, int]:
        if kind == "ads_insights":
            return books.insights, self.limits.insights_calls_per_hour
        return books.management, self.limits.management_calls_per_hour

    def _percent(self, books: _Account, kind: str, now: float) -> float:
        calls, most = self._calls(books, kind)
        percent = calls.read(now, most, _HOUR) * FULL / most
        return max(percent, self._rows_percent(books, now)) if kind == "ads_insights" else percent

    def _rows_percent(self, books: _Account, now: float) -> float:
        most = self.limits.insights_rows_per_hour
        return books.rows.read(now, most, _HOUR) * FULL / most

    def _blocks(self, books: _Account, limiter: str, now: float, over: bool) -> bool:
        blocked = over or now < books.blocked_until.get(limiter, 0.0)
        if blocked:
            books.blocked_until[limiter] = now + self.limits.block_seconds
        return blocked


def _text(usage: dict[str, object]) -> str:
    return json.dumps(usage, separators=(",", ":"))
