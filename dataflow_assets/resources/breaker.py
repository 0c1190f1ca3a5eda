"""A circuit breaker shared by all processes: after failures in a row nobody asks the vendor, then exactly one does.

In: the outcome of each request. Out: leave to send one, or `Throttled` with the time to wait.
closed -> open after failures in a row or a told wait -> half-open when the time is over: one request, the probe, goes
out -> closed if it succeeds, open for twice as long if it fails. Without Redis each process applies the same rules.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import uuid4

import redis.asyncio

from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.failures import Throttled
from dataflow_assets.resources.lua import SharedScripts

MICRO = 1_000_000
LONGEST_OPEN_SECONDS = 600.0


@dataclass(frozen=True)
class BreakerState:
    """`until`, in UTC, is when an open breaker lets a probe through; it lies in the past when half-open."""

    status: Literal["closed", "open", "half_open"]
    until: datetime | None = None


class CircuitBreaker:
    """The breaker called `name`. Report the outcome in the asyncio task that called `before_request`.

    Only so can the probe's outcome be told from that of a request sent before the breaker opened.

    Args:
        redis: the client of this event loop.
        name: what breaks as one, e.g. the vendor's API host.
        vendor: named in errors.
        failure_threshold: so many failures in a row, within `window_seconds`, open it.
        window_seconds: see above.
        open_seconds: how long it first stays open; twice as long after each failed probe, at most ten minutes.
        probe_seconds: a probe without outcome is given up after this time, and another one goes out.
        clock: the time while Redis is away. Otherwise Redis' own clock counts.
    """

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        name: str,
        vendor: str,
        failure_threshold: int = 5,
        window_seconds: float = 60.0,
        open_seconds: float = 30.0,
        probe_seconds: float = 30.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._name = name
        self._vendor = vendor
        self._threshold = failure_threshold
        self._window = window_seconds
        self._open = open_seconds
        self._probe = probe_seconds
        self._scripts = SharedScripts(redis, clock=clock, on_lost=self._say_lost)
        # There while failures are remembered. In braces, as in the budgets' keys: a cluster runs a script only on keys
        # of one slot, and a vendor's budgets ask for this one, too.
        self.key = f"dataflow:breaker:{{{name}}}"
        self._keys = [self.key]
        self._local = _LocalBreaker(failure_threshold, window_seconds, open_seconds, probe_seconds, clock)
        self._id = uuid4().hex
        self._probing: asyncio.Task[Any] | None = None
        self._is_troubled = True  # failures may be remembered in Redis; False spares a question after each request

    async def before_request(self, *, remembers_failures: bool | None = None) -> None:
        """Return if a request may go out.

        `remembers_failures` is whether `key` is in Redis, where somebody has just looked: if not, the breaker is
        closed, and the question is spared.

        Raises:
            Throttled: the breaker is open, or another request is the probe; it holds the seconds to wait.
        """
        if remembers_failures is False:
            self._is_troubled = False
            return
        answer = await self._scripts.run("breaker_before", self._keys, [self._id, round(self._probe * MICRO)])
        if answer is None:
            wait, probing = self._local.before()
            self._is_troubled = True
        else:
            wait, probing = answer[0] / MICRO, bool(answer[1])
            self._is_troubled = bool(answer[2])
        if wait > 0:
            raise Throttled(
                f"requests failed, so none are sent for another {wait:.0f} s.",
                vendor=self._vendor,
                hint="Nothing was sent. One request then tries whether the vendor answers again.",
                wait_seconds=wait,
            )
        if probing:
            self._probing = asyncio.current_task()

    async def success(self) -> None:
        """The vendor answered: failures are forgotten, and a probe closes the breaker."""
        prober = self._prober()
        if not self._is_troubled:
            return
        answer = await self._scripts.run("breaker_success", self._keys, [prober])
        if answer is None:
            self._local.success(probe=bool(prober))

    async def failure(self, *, wait_seconds: float | None = None) -> None:
        """The request failed. A `wait_seconds` the vendor told opens the breaker at once for that long."""
        prober = self._prober()
        self._is_troubled = True
        told = wait_seconds or 0.0
        times = [self._window, self._open, LONGEST_OPEN_SECONDS, told]
        answer = await self._scripts.run(
            "breaker_failure",
            self._keys,
            [prober, self._threshold, *(round(seconds * MICRO) for seconds in times)],
        )
        if answer is None:
            self._local.failure(probe=bool(prober), told=told)

    async def state(self) -> BreakerState:
        """The state as all processes see it, or this process alone while Redis is away."""
        answer = await self._scripts.run("breaker_state", self._keys)
        if answer is None:
            return self._local.state()
        if not answer:
            return BreakerState("closed")
        until = datetime.fromtimestamp(answer[0] / MICRO, UTC)
        return BreakerState("half_open" if answer[1] else "open", until)

    def _prober(self) -> str:
        """This process' name if the calling task is its probe, else ''."""
        if self._probing is None or self._probing is not asyncio.current_task():
            return ""
        self._probing = None
        return self._id

    def _say_lost(self, reason: str) -> None:
        logging.getLogger(__name__).warning(
            "%s: the shared circuit breaker %s in Redis cannot be used (%s). Each process keeps its own until it can.",
            self._vendor,
            self._name,
            reason,
        )


@dataclass
class _LocalBreaker:
    """The rules of the `breaker_*.lua` scripts for one process. Seconds."""

    threshold: int
    window: float
    open: float
    probe: float
    clock: Clock
    failures: deque[float] = field(default_factory=deque)
    open_until: float | None = None
    opened_for: float = 0.0
    probe_until: float = 0.0

    def before(self) -> tuple[float, bool]:
        """Seconds to wait, and whether the caller is the probe."""
        if self.open_until is None:
            return 0.0, False
        now = self.clock.monotonic()
        wait = max(self.open_until, self.probe_until) - now
        if wait > 0:
            return wait, False
        self.probe_until = now + self.probe
        return 0.0, True

    def success(self, *, probe: bool) -> None:
        if self.open_until is None or probe:
            self.failures.clear()
            self.open_until, self.opened_for, self.probe_until = None, 0.0, 0.0

    def failure(self, *, probe: bool, told: float) -> None:
        now = self.clock.monotonic()
        wait = told
        if self.open_until is None:
            self.failures.append(now)
            while len(self.failures) > self.threshold or now - self.failures[0] > self.window:
                self.failures.popleft()
            if len(self.failures) == self.threshold:
                self.opened_for = self.open
                wait = max(wait, self.opened_for)
        elif probe:
            self.opened_for = min(max(self.opened_for * 2, self.open), LONGEST_OPEN_SECONDS)
            wait = max(wait, self.opened_for)
            self.probe_until = 0.0
        if wait > 0:
            self.open_until = max(self.open_until or 0.0, now + wait)

    def state(self) -> BreakerState:
        if self.open_until is None:
            return BreakerState("closed")
        left = self.open_until - self.clock.monotonic()
        return BreakerState("open" if left > 0 else "half_open", self.clock.now() + timedelta(seconds=left))
