"""The request budget against a real server, and from several processes."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from uuid import uuid4

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from dataflow_assets.resources.budget import Lane, Limit, RequestBudget
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.failures import Throttled

PROCESSES = 4
WORKERS = 4
VENDOR = "vendor"


def unexpected(message: str) -> None:
    raise AssertionError(message)


@asynccontextmanager
async def a_budget(url: str, **options: Any) -> AsyncIterator[RequestBudget]:
    options = {"vendor": VENDOR, "on_degraded": unexpected} | options
    async with redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        yield RequestBudget(client, **options)


def a_limit(requests: int, seconds: float, burst: int = 1, name: str = "limit") -> Limit:
    return Limit(f"{name}:{uuid4().hex}", requests, seconds, burst)


def state_key(limit: Limit) -> str:
    return f"dataflow:budget:{{{VENDOR}}}:{limit.key}"


async def granted_until(
    url: str, limits: Sequence[Limit], stop_at: float, lanes: Sequence[Lane], *, cost: int = 1
) -> list[list[float]]:
    """Acquire in one worker per lane until a time since 1970. Returns each worker's times of grants."""
    grants: list[list[float]] = [[] for _ in lanes]

    async def work(budget: RequestBudget, lane: Lane, times: list[float]) -> None:
        while time.time() < stop_at:
            await budget.acquire(limits, lane=lane, cost=cost)
            times.append(time.time())

    async with a_budget(url) as budget:
        await asyncio.gather(*(work(budget, *each) for each in zip(lanes, grants, strict=True)))
    return [[moment for moment in times if moment < stop_at] for times in grants]


def in_a_process(url: str, limits: Sequence[Limit], start_at: float, stop_at: float) -> list[list[float]]:
    time.sleep(max(start_at - time.time(), 0))
    return asyncio.run(granted_until(url, limits, stop_at, [Lane.LIVE] * WORKERS))


def come_up(_: int) -> None:
    time.sleep(0.5)


@pytest.fixture(scope="module")
def ready(processes: ProcessPoolExecutor) -> ProcessPoolExecutor:
    """Interpreters start and import slowly: have them all up before anything is timed."""
    list(processes.map(come_up, range(PROCESSES)))
    return processes


def run_everywhere(
    pool: ProcessPoolExecutor, url: str, limits: Sequence[Limit], seconds: float
) -> tuple[float, list[list[list[float]]]]:
    start_at = time.time() + 0.2
    runs = [pool.submit(in_a_process, url, limits, start_at, start_at + seconds) for _ in range(PROCESSES)]
    return start_at, [run.result() for run in runs]


@contextmanager
def grants_seen_by_server(url: str, limit: Limit) -> Iterator[list[float]]:
    """The server's own times of grants: what a busy client sees late proves nothing."""
    seen: list[float] = []
    watching = threading.Event()

    def watch() -> None:
        with redis.Redis.from_url(url) as client, client.monitor() as monitor:
            watching.set()
            for command in monitor.listen():
                if command["command"].startswith(f"HSET {state_key(limit)} tat "):
                    seen.append(command["time"])
                if command["command"] == f"ECHO {limit.key}":
                    return

    watcher = threading.Thread(target=watch)
    watcher.start()
    watching.wait()
    with redis.Redis.from_url(url) as client:
        yield seen
        client.echo(limit.key)
    watcher.join()


def most_within(times: Sequence[float], seconds: float) -> int:
    times = sorted(times)
    return max(sum(start <= moment <= start + seconds for moment in times) for start in times)


def test_processes_share_a_budget_evenly_use_it_up_and_never_exceed_it(
    redis_url: str, ready: ProcessPoolExecutor
) -> None:
    limit = a_limit(20, 1.0)
    with grants_seen_by_server(redis_url, limit) as grants:
        _, seen = run_everywhere(ready, redis_url, [limit], 4.0)
    shares = [sum(map(len, workers)) for workers in seen]
    print(f"shares {shares}, most in a second {most_within(grants, 1.0)}")  # noqa: T201 (shown when it fails)
    assert most_within(grants, 1.0) <= 21
    assert sum(shares) >= 0.8 * 80
    assert min(shares) >= 0.5 * max(shares)


def test_a_mix_of_costs_never_exceeds_requests_plus_burst(redis_url: str) -> None:
    limit = a_limit(40, 0.4, burst=4)
    grants: list[tuple[float, int]] = []

    async def run() -> None:
        async def work(budget: RequestBudget, cost: int) -> None:
            while time.monotonic() < stop_at:
                await budget.acquire([limit], cost=cost)
                taken[cost] += 1

        stop_at = time.monotonic() + 1.5
        async with a_budget(redis_url) as budget:
            await asyncio.gather(*(work(budget, cost) for cost in taken))

    taken = {1: 0, 3: 0, 10: 0, 20: 0}
    with redis.Redis.from_url(redis_url) as client, client.monitor() as monitor:
        asyncio.run(run())
        client.echo("over")
        prefix = f"HSET {state_key(limit)} tat "
        spent, since = 0, ""
        for command in monitor.listen():
            if command["command"] == "ECHO over":
                break
            if command["command"].startswith(prefix):
                fields = command["command"].split()
                total, window = int(fields[fields.index("spent") + 1]), fields[fields.index("spent_since") + 1]
                grants.append((command["time"], total - spent if window == since else total))
                spent, since = total, window
    assert min(taken.values()) >= 1, f"A cost was starved: {taken}"
    for start, _ in grants:
        assert sum(cost for moment, cost in grants if start <= moment <= start + 0.4) <= 44


def test_a_batch_takes_one_per_item(redis_url: str) -> None:
    limit = a_limit(20, 1.0, burst=5)

    async def run() -> tuple[float, float]:
        async with a_budget(redis_url) as budget:
            return await budget.acquire([limit], cost=5), await budget.acquire([limit], cost=5)

    first, second = asyncio.run(run())
    assert first < 0.1
    assert second >= 0.2


def test_a_batch_that_never_fits_is_an_error_not_a_wait(redis_url: str) -> None:
    async def run() -> None:
        async with a_budget(redis_url) as budget:
            await budget.acquire([a_limit(20, 1.0)], cost=22)

    with pytest.raises(ValueError, match="Send smaller batches"):
        asyncio.run(run())


def test_a_refusal_by_one_limit_takes_nothing_from_the_other(redis_url: str) -> None:
    app, account = a_limit(1, 100.0), a_limit(1, 100.0)

    async def run() -> None:
        async with a_budget(redis_url, max_wait_seconds=1.0) as budget:
            await budget.acquire([account])
            with pytest.raises(Throttled, match=account.key):
                await budget.acquire([app, account])
            assert [state.spent for state in await budget.snapshot([app, account])] == [0, 1]
            assert await budget.acquire([app]) < 0.5

    asyncio.run(run())


def test_an_account_that_waits_for_its_own_limit_does_not_hold_up_the_others(redis_url: str) -> None:
    app, slow, fast = a_limit(50, 1.0), a_limit(1, 2.0), a_limit(50, 1.0)

    async def run() -> int:
        async with a_budget(redis_url) as budget:
            await budget.acquire([app, slow])
            waiting = asyncio.create_task(budget.acquire([app, slow]))
            await asyncio.sleep(0.05)
            count = 0
            while not waiting.done():
                await budget.acquire([app, fast])
                count += 1
            await waiting
            return count

    assert asyncio.run(run()) >= 20


def test_a_told_wait_holds_in_all_processes_and_no_longer(redis_url: str, ready: ProcessPoolExecutor) -> None:
    limit = a_limit(20, 1.0)
    told: list[float] = []

    async def block() -> None:
        async with a_budget(redis_url) as budget:
            await budget.block(limit, 1.5)
            told.append(time.time())
            await budget.block(limit, 0.5)  # another process heard less: the longer one counts
            (state,) = await budget.snapshot([limit])
            assert state.blocked_until
            assert state.blocked_until.timestamp() == pytest.approx(told[0] + 1.5, abs=0.5)

    blocker = threading.Timer(0.6, lambda: asyncio.run(block()))
    with grants_seen_by_server(redis_url, limit) as grants:
        blocker.start()
        _, seen = run_everywhere(ready, redis_url, [limit], 3.2)
        blocker.join()
    over_at = told[0] + 1.5
    resumed = [min(t for worker in process for t in worker if t > told[0] + 0.2) for process in seen]
    print(f"resumed after the block by {[round(t - over_at, 3) for t in resumed]} s")  # noqa: T201 (shown when it fails)
    assert not [t for t in grants if told[0] + 0.1 < t < over_at - 0.1]
    assert any(t < told[0] for t in grants)
    assert all(-0.1 < t - over_at < 1.0 for t in resumed)


@pytest.mark.parametrize("burst", [1, 50])
def test_live_goes_before_backfill_which_still_gets_one_in_ten(redis_url: str, burst: int) -> None:
    limit = a_limit(50, 1.0, burst=burst)
    lanes = [Lane.LIVE] * 4 + [Lane.BACKFILL] * 4

    async def spend_what_is_saved_up() -> None:
        async with a_budget(redis_url) as budget:
            await budget.acquire([limit], cost=burst)

    asyncio.run(spend_what_is_saved_up())
    grants = asyncio.run(granted_until(redis_url, [limit], time.time() + 2.2, lanes))

    live, backfill = sum(map(len, grants[:4])), sum(map(len, grants[4:]))
    print(f"live {live}, backfill {backfill}")  # noqa: T201 (shown when it fails)
    assert 0.05 <= backfill / (live + backfill) <= 0.15


def test_a_backfill_leaves_the_burst_to_live_callers(redis_url: str) -> None:
    limit = a_limit(1, 100.0, burst=10)

    async def run() -> None:
        async with a_budget(redis_url, max_wait_seconds=0.0) as budget:
            await budget.acquire([limit], lane=Lane.BACKFILL)
            with pytest.raises(Throttled):
                await budget.acquire([limit], lane=Lane.BACKFILL)
            for _ in range(9):
                assert await budget.acquire([limit]) < 1.0

    asyncio.run(run())


def test_live_requests_need_not_wait_for_the_turn_of_a_backfill_while_there_is_room_for_both(redis_url: str) -> None:
    limit = a_limit(10, 1.0, burst=60)

    async def run() -> tuple[float, int]:
        grants = 0

        async def backfill(budget: RequestBudget) -> None:
            nonlocal grants
            while True:
                await budget.acquire([limit], lane=Lane.BACKFILL)
                grants += 1

        async with a_budget(redis_url) as budget:
            crowd = [asyncio.create_task(backfill(budget)) for _ in range(4)]
            await asyncio.sleep(0.3)
            before = grants
            waited = 0.0
            for _ in range(40):
                waited += await budget.acquire([limit])
                await asyncio.sleep(0.03)
            during = grants - before
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
        return waited, during

    waited, during = asyncio.run(run())
    print(f"live waited {waited:.2f} s, backfill had {during} grants")  # noqa: T201 (shown when it fails)
    assert waited < 0.5
    assert during >= 1


def test_backfill_alone_uses_the_whole_budget(redis_url: str) -> None:
    limit = a_limit(50, 1.0)

    grants = asyncio.run(granted_until(redis_url, [limit], time.time() + 1.0, [Lane.BACKFILL] * 4))

    assert sum(map(len, grants)) >= 0.8 * 50


def test_a_batch_is_not_starved_by_single_requests(redis_url: str) -> None:
    limit = a_limit(50, 1.0)

    async def run() -> float:
        async with a_budget(redis_url) as budget:

            async def singles() -> None:
                while True:
                    await budget.acquire([limit])

            crowd = [asyncio.create_task(singles()) for _ in range(4)]
            await asyncio.sleep(0.1)
            waited = await budget.acquire([limit], cost=20)
            for task in crowd:
                task.cancel()
            await asyncio.gather(*crowd, return_exceptions=True)
            return waited

    assert asyncio.run(run()) < 3.0


def test_callers_that_died_in_line_hold_nobody_up_for_long(redis_url: str) -> None:
    limit = a_limit(2, 1.0)

    async def run() -> float:
        async with a_budget(redis_url) as budget, redis.asyncio.Redis.from_url(redis_url) as client:
            await budget.acquire([limit])
            dead = [asyncio.create_task(budget.acquire([limit], lane=lane)) for lane in list(Lane) * 30]
            for _ in range(1_000):
                waiting = await client.zcard(f"{state_key(limit)}:{Lane.BACKFILL}")
                if waiting >= 25:  # not all: some may have had their turn before the last has come
                    break
                await asyncio.sleep(0.01)
            assert waiting >= 25
            for task in dead:
                task.cancel()
            await asyncio.gather(*dead, return_exceptions=True)
            return await budget.acquire([limit])

    assert asyncio.run(run()) < 4.0  # their turns would take 15 s


def test_reported_usage_widens_the_spacing_and_a_lower_report_lifts_it_at_once(redis_url: str) -> None:
    limit = a_limit(2, 1.0)

    async def run() -> tuple[list[float], float, float]:
        async with a_budget(redis_url, max_wait_seconds=0.0) as budget:

            async def told_wait() -> float:
                with pytest.raises(Throttled) as caught:
                    await budget.acquire([limit])
                return caught.value.wait_seconds

            stretches = []
            for fraction in (0.5, 0.75, 0.9, 0.95, 1.3):
                await budget.report_usage(limit, fraction)
                stretches += [state.stretch for state in await budget.snapshot([limit])]
            await budget.acquire([limit])
            stretched = await told_wait()
            await budget.report_usage(limit, 0.6)
            return stretches, stretched, await told_wait()

    stretches, stretched, lifted = asyncio.run(run())
    assert stretches == pytest.approx([1.0, 1.0, 2.5, 5.0, 20.0])
    assert 2.0 < stretched <= 10.0
    assert lifted <= 0.5


def test_a_wait_beyond_patience_is_raised_with_the_time_to_come_back(redis_url: str) -> None:
    limit = a_limit(1, 1.0)

    async def run() -> None:
        async with a_budget(redis_url, max_wait_seconds=5.0) as budget:
            await budget.block(limit, 300.0)
            began = time.monotonic()
            with pytest.raises(Throttled, match=limit.key) as caught:
                await budget.acquire([limit])
            assert time.monotonic() - began < 5.0
            assert caught.value.wait_seconds == pytest.approx(300.0, abs=10.0)
            assert caught.value.vendor == VENDOR

    asyncio.run(run())


def test_every_key_expires(redis_url: str) -> None:
    limit = a_limit(1, 1.0)

    async def run() -> dict[bytes, int]:
        async with a_budget(redis_url) as budget, redis.asyncio.Redis.from_url(redis_url) as client:
            await budget.report_usage(limit, 0.9)
            await budget.acquire([limit])
            await budget.block(limit, 0.01)
            in_line = [asyncio.create_task(budget.acquire([limit], lane=lane)) for lane in Lane]
            await asyncio.sleep(0.1)
            lives = {key: await client.pttl(key) for key in await client.keys(f"{state_key(limit)}*")}
            for task in in_line:
                task.cancel()
            await asyncio.gather(*in_line, return_exceptions=True)
            return lives

    lives = asyncio.run(run())
    assert len(lives) == 3
    assert all(0 < milliseconds <= 301_000 for milliseconds in lives.values())


def test_without_redis_each_process_keeps_to_a_quarter_says_so_once_and_recovers(mortal_redis: Any) -> None:
    limit, blocked = a_limit(40, 1.0), a_limit(40, 1.0)
    said: list[str] = []
    skipped = 0.0
    clock = Clock(SYSTEM_CLOCK.now, lambda: time.monotonic() + skipped, SYSTEM_CLOCK.sleep)

    async def run() -> tuple[list[float], float]:
        nonlocal skipped
        async with a_budget(mortal_redis.url, on_degraded=said.append, clock=clock) as budget:
            await budget.acquire([limit])
            assert said == []
            mortal_redis.stop()
            await budget.acquire([limit])
            skipped = 5.0  # Redis is asked again, in vain
            await budget.acquire([limit])
            alone = []
            for _ in range(15):
                await budget.acquire([limit])
                alone.append(time.monotonic())
            await budget.block(blocked, 600.0)
            with pytest.raises(Throttled):
                await budget.acquire([blocked])

            mortal_redis.start()
            skipped = 10.0
            began = time.monotonic()
            for _ in range(20):
                await budget.acquire([limit])
            return alone, time.monotonic() - began

    alone, seconds_for_twenty = asyncio.run(run())
    assert most_within(alone, 1.0) <= 11
    assert len(said) == 1
    assert "25% of the rate" in said[0]
    assert seconds_for_twenty < 1.6  # at a quarter of the rate these take 2 s

    async def another_process() -> None:
        async with a_budget(mortal_redis.url) as budget:
            (state,) = await budget.snapshot([blocked])
            assert state.blocked_until, "What the vendor told during the outage is not known to the others."

    asyncio.run(another_process())


def test_without_redis_costs_blocks_and_usage_count_as_well(unused_url: str) -> None:
    limit = a_limit(40, 1.0, burst=4)
    now = 1000.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    async def run() -> None:
        clock = Clock(SYSTEM_CLOCK.now, lambda: now, sleep)
        async with a_budget(unused_url, on_degraded=lambda _: None, clock=clock) as budget:
            spent: list[tuple[float, int]] = []
            for cost in (1, 3, 1, 10, 7, 1, 1) * 5:
                await budget.acquire([limit], cost=cost)
                spent.append((now, cost))
            for start, _ in spent:
                assert sum(cost for moment, cost in spent if start <= moment <= start + 1.0) <= 10 + 4

            await budget.report_usage(limit, 0.95)
            began = now
            await budget.acquire([limit], cost=10)
            assert now - began > 2.0
            await budget.report_usage(limit, 0.1)
            await budget.block(limit, 30.0)
            await budget.block(limit, 1.0)
            (state,) = await budget.snapshot([limit])
            assert state.blocked_until
            assert await budget.acquire([limit]) == pytest.approx(30.0)

    asyncio.run(run())
