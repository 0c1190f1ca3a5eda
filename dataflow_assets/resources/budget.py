"""Request budgets that hold across all processes: before a request, `acquire` waits for its turn.

In: the limits a request falls under (per vendor and app, per account), what the vendor said ("wait", "84 % used").
Out: a grant, or `Throttled` when the wait is long enough to end the step instead.
The state lives in Redis and survives a restart of every process; `lua/budget_acquire.lua` is the whole algorithm.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from math import inf
from random import random as system_random
from uuid import uuid4

import redis.asyncio

from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.failures import Throttled
from dataflow_assets.resources.lua import SharedScripts

MICRO = 1_000_000
STRETCH_FROM = 0.75  # of the vendor's budget: below, our own rate is slow enough
LONGEST_STRETCH = 20.0  # reached at 98.75 %; from there on the vendor's own "wait" decides
STRETCH_SECONDS = 300.0  # how long a reported usage counts; vendors' own counts decay in minutes
LOCAL_SHARE = 0.25  # of the rate, for each process that cannot ask Redis
SLACK = 0.5  # as in budget_acquire.lua


class Lane(StrEnum):
    """Who goes first: live callers, but one grant in ten goes to backfill when both ask.

    A burst is for live callers, so that a backfill of any length leaves it to them: only these turns come out of it.
    """

    LIVE = "live"
    BACKFILL = "backfill"


@dataclass(frozen=True)
class Limit:
    """One request budget: `requests` per `seconds`, evenly spaced but for `burst`.

    No window of that length ever holds more than `requests + burst`. `key` names what is limited, e.g.
    'meta_ads:<app id>:act_123'. A batch that costs more than `burst` needs idle time before and after it, so
    give the limit a burst of the usual batch size where the vendor allows one.
    """

    key: str
    requests: int
    seconds: float
    burst: int = 1

    @property
    def interval(self) -> float:
        """Seconds per request."""
        return self.seconds / self.requests


@dataclass(frozen=True)
class BudgetState:
    """A budget as it stands. `spent` counts the requests granted since the running window began."""

    key: str
    blocked_until: datetime | None
    stretch: float
    spent: int


class RequestBudget:
    """The budgets of one vendor. While Redis is away each process keeps to a quarter of the rate by itself.

    Args:
        redis: the client shared by all budgets of this event loop.
        vendor: named in errors; all keys of one vendor lie in one slot of a Redis cluster.
        clock: waiting, and the time while Redis is away. Otherwise Redis' own clock counts.
        max_wait_seconds: the longest `acquire` waits in all.
        random: numbers in [0, 1) that keep waiters from asking at the same moment.
        on_degraded: told once each time Redis goes away; logs a warning if not given.
    """

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        *,
        vendor: str,
        clock: Clock = SYSTEM_CLOCK,
        max_wait_seconds: float = 60.0,
        random: Callable[[], float] = system_random,
        on_degraded: Callable[[str], None] | None = None,
    ) -> None:
        self._vendor = vendor
        self._clock = clock
        self._max_wait = max_wait_seconds
        self._random = random
        self._on_degraded = on_degraded or logging.getLogger(__name__).warning
        self._scripts = SharedScripts(redis, clock=clock, on_lost=self._say_degraded)
        self._local = _LocalBudget(clock)
        self._untold: dict[str, Limit] = {}  # blocks of an outage that Redis has not heard of
        self.watched_is_there: bool | None = None  # by the latest grant; None: not known

    async def acquire(
        self, limits: Sequence[Limit], *, cost: int = 1, lane: Lane = Lane.LIVE, watch: str | None = None
    ) -> float:
        """Wait until all limits admit the request, and return the seconds waited. A refusal takes from none.

        Args:
            limits: every budget the request counts against.
            cost: what it counts; a batch counts one per item.
            lane: live work goes before backfill.
            watch: a key of the same Redis; whether it is there is told with the grant, in `watched_is_there`.

        Raises:
            Throttled: the wait would exceed `max_wait_seconds`; it holds the seconds still to wait.
            ValueError: the cost never fits into one of the limits.
        """
        for limit in limits:
            if cost > limit.requests + limit.burst:
                raise ValueError(
                    f"A request of cost {cost} can never fit the budget {limit.key} of {limit.requests} requests per "
                    f"{limit.seconds:g} s and burst {limit.burst}. Send smaller batches."
                )
        keys, shapes = self._layout(limits)
        keys += [watch] if watch else []
        caller = uuid4().hex
        ticket = 0
        began = self._clock.monotonic()
        while True:
            waited = self._clock.monotonic() - began
            left = self._max_wait - waited
            await self._tell_blocks()
            answer = await self._scripts.run(
                "budget_acquire", keys, [caller, ticket, lane.value, cost, round(left * MICRO), *shapes]
            )
            if answer is None:
                wait, held_by = self._local.ask(limits, cost)
                nap = wait
                self.watched_is_there = None
            else:
                wait, nap, ticket = answer[0] / MICRO, answer[1] / MICRO, answer[2]
                held_by = limits[answer[3] - 1]
                if wait <= 0:
                    self.watched_is_there = bool(answer[4])
            if wait <= 0:
                return waited
            if wait > left:
                raise Throttled(
                    f"the request budget {held_by.key} is used up or blocked for another {wait:.0f} s.",
                    vendor=self._vendor,
                    hint="Nothing was sent. The work goes on after that time.",
                    wait_seconds=wait,
                )
            if nap < wait:
                nap *= 0.5 + self._random() / 2
            await self._clock.sleep(nap)

    async def block(self, limit: Limit, seconds: float) -> None:
        """Hold every process for `seconds`, because the vendor said so. Never shortens a block."""
        self._local.block(limit, seconds)
        if await self._scripts.run("budget_block", [self._key(limit)], [round(seconds * MICRO)]) is None:
            self._untold[limit.key] = limit

    async def report_usage(self, limit: Limit, fraction: float) -> None:
        """Take in how much of its budget the vendor says is used (1.0 is all; it may be more).

        From 75 % on requests are spaced wider, up to twenty times; a lower figure lifts that at once.
        """
        stretch = 1.0
        if fraction >= STRETCH_FROM:
            stretch = min((1 - STRETCH_FROM) / max(1 - fraction, 1e-9), LONGEST_STRETCH)
        self._local.stretch(limit, stretch)
        await self._scripts.run("budget_stretch", [self._key(limit)], [stretch, round(STRETCH_SECONDS * MICRO)])

    async def snapshot(self, limits: Sequence[Limit]) -> list[BudgetState]:
        """The state of the limits, in their order; what this process knows itself while Redis is away."""
        answer = await self._scripts.run(
            "budget_snapshot",
            [self._key(limit) for limit in limits],
            [round(limit.seconds * MICRO) for limit in limits],
        )
        if answer is None:
            return [self._local.state(limit) for limit in limits]
        return [
            BudgetState(
                limit.key,
                datetime.fromtimestamp(blocked_until / MICRO, UTC) if blocked_until else None,
                stretch / 1000,
                spent,
            )
            for limit, (blocked_until, stretch, spent) in zip(limits, answer, strict=True)
        ]

    def _layout(self, limits: Sequence[Limit]) -> tuple[list[str], list[float]]:
        """Keys and per-limit arguments of `budget_acquire.lua`."""
        keys: list[str] = []
        shapes: list[float] = []
        for limit in limits:
            key = self._key(limit)
            keys += [key, f"{key}:{Lane.LIVE}", f"{key}:{Lane.BACKFILL}"]
            shapes += [limit.interval * MICRO, limit.burst, round(limit.seconds * MICRO)]
        return keys, shapes

    async def _tell_blocks(self) -> None:
        for limit in list(self._untold.values()):
            seconds = self._local.blocked_for(limit)
            if await self._scripts.run("budget_block", [self._key(limit)], [round(seconds * MICRO)]) is None:
                return
            self._untold.pop(limit.key, None)

    def _key(self, limit: Limit) -> str:
        return f"dataflow:budget:{{{self._vendor}}}:{limit.key}"

    def _say_degraded(self, reason: str) -> None:
        self._on_degraded(
            f"{self._vendor}: the shared request budget in Redis cannot be used ({reason}). Until it can, each process "
            f"keeps to {LOCAL_SHARE:.0%} of the rate by itself. Check that REDIS_URL is right and the server runs."
        )


@dataclass
class _LocalState:
    tat: float
    blocked_until: float = -inf
    stretch: float = 1.0
    stretch_until: float = -inf
    spent: int = 0
    spent_since: float = -inf


class _LocalBudget:
    """The rate of `budget_acquire.lua` for one process, at a share of it and without lines. Seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[str, _LocalState] = {}

    def ask(self, limits: Sequence[Limit], cost: int) -> tuple[float, Limit]:
        """Seconds to wait and for which limit; 0 is a grant by all."""
        now = self._clock.monotonic()
        wait, held_by = max(((self._opens_at(limit, cost) - now, limit) for limit in limits), key=lambda held: held[0])
        if wait > 0:
            return wait, held_by
        for limit in limits:
            state = self._state(limit)
            state.tat = max(state.tat, now) + cost * self._interval(limit)
            if now - state.spent_since >= limit.seconds:
                state.spent, state.spent_since = 0, now
            state.spent += cost
        return 0.0, held_by

    def block(self, limit: Limit, seconds: float) -> None:
        state = self._state(limit)
        state.blocked_until = max(state.blocked_until, self._clock.monotonic() + seconds)

    def blocked_for(self, limit: Limit) -> float:
        return max(self._state(limit).blocked_until - self._clock.monotonic(), 0.0)

    def stretch(self, limit: Limit, factor: float) -> None:
        state = self._state(limit)
        state.stretch, state.stretch_until = factor, self._clock.monotonic() + STRETCH_SECONDS

    def state(self, limit: Limit) -> BudgetState:
        state, now, blocked = self._state(limit), self._clock.monotonic(), self.blocked_for(limit)
        return BudgetState(
            limit.key,
            self._clock.now() + timedelta(seconds=blocked) if blocked else None,
            state.stretch if now < state.stretch_until else 1.0,
            state.spent if now - state.spent_since < limit.seconds else 0,
        )

    def _opens_at(self, limit: Limit, cost: int) -> float:
        state = self._state(limit)
        paid_at = state.tat + (cost - limit.burst - SLACK) * self._interval(limit)
        return max(paid_at, state.blocked_until)

    def _interval(self, limit: Limit) -> float:
        state = self._state(limit)
        stretch = state.stretch if self._clock.monotonic() < state.stretch_until else 1.0
        return limit.interval / LOCAL_SHARE * stretch

    def _state(self, limit: Limit) -> _LocalState:
        # A limit first seen now may just have been spent elsewhere: nothing is saved up for a large batch.
        return self._states.setdefault(limit.key, _LocalState(tat=self._clock.monotonic()))
