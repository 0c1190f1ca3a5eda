"""The circuit breaker: the same rules shared through a real server, and kept by one process without it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from dataflow_assets.resources.breaker import CircuitBreaker
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.failures import Throttled


@asynccontextmanager
async def a_client(url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with redis.asyncio.Redis.from_url(url, retry=Retry(NoBackoff(), 0)) as client:
        yield client


class Shared:
    """A breaker seen by two processes through Redis. Time passes by moving what is stored into the past."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = uuid4().hex
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._client = await self._stack.enter_async_context(a_client(self._url))
        self.one = await self.another_process()
        self.two = await self.another_process()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def another_process(self) -> CircuitBreaker:
        client = await self._stack.enter_async_context(a_client(self._url))
        return CircuitBreaker(client, name=self._name, vendor="vendor")

    async def pass_time(self, seconds: float) -> None:
        key = f"dataflow:breaker:{{{self._name}}}"
        for field, value in (await self._client.hgetall(key)).items():
            if field.endswith(b"_until") or field.startswith(b"failed_"):
                await self._client.hset(key, field, str(int(value) - round(seconds * 1e6)))


class Alone:
    """A breaker of one process that cannot reach Redis."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._now = 1000.0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        client = await self._stack.enter_async_context(a_client(self._url))
        clock = Clock(
            lambda: datetime.now(UTC) + timedelta(seconds=self._now - 1000.0),
            lambda: self._now,
            SYSTEM_CLOCK.sleep,
        )
        self.one = self.two = CircuitBreaker(client, name="alone", vendor="vendor", clock=clock)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    async def pass_time(self, seconds: float) -> None:
        self._now += seconds


Rules = Callable[[Shared | Alone], Awaitable[None]]


@pytest.fixture(params=["shared", "alone"])
def follow(request: pytest.FixtureRequest, redis_url: str, unused_url: str) -> Callable[[Rules], None]:
    """Runs a test's rules against the breaker in Redis, and against that of a process without Redis."""

    def run(rules: Rules) -> None:
        async def main() -> None:
            async with Shared(redis_url) if request.param == "shared" else Alone(unused_url) as breakers:
                await rules(breakers)

        asyncio.run(main())

    return run


async def fails(breaker: CircuitBreaker, times: int = 1) -> None:
    for _ in range(times):
        await breaker.before_request()
        await breaker.failure()


async def refused_for(breaker: CircuitBreaker) -> float:
    with pytest.raises(Throttled) as caught:
        await breaker.before_request()
    assert caught.value.vendor == "vendor"
    return caught.value.wait_seconds


def test_opens_for_all_after_five_failures_in_a_row(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        await fails(breakers.one, 2)
        await fails(breakers.two, 2)
        await breakers.one.before_request()
        assert (await breakers.one.state()).status == "closed"
        await fails(breakers.one)
        assert 20 < await refused_for(breakers.one) <= 30
        assert 20 < await refused_for(breakers.two) <= 30
        state = await breakers.two.state()
        assert state.status == "open"
        assert state.until
        assert state.until == pytest.approx(datetime.now(UTC) + timedelta(seconds=30), abs=timedelta(seconds=10))

    follow(rules)


def test_a_success_between_failures_keeps_it_closed(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        for _ in range(3):
            await fails(breakers.one, 4)
            await breakers.two.success()
        assert (await breakers.one.state()).status == "closed"

    follow(rules)


def test_a_success_of_a_request_that_went_out_before_the_failures_counts_too(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        for _ in range(5):  # side by side: one succeeds after four have failed
            await breakers.one.before_request()
        for _ in range(4):
            await breakers.one.failure()
        await breakers.one.success()
        await fails(breakers.one, 4)
        assert (await breakers.one.state()).status == "closed"

    follow(rules)


def test_failures_older_than_the_window_do_not_count(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        for _ in range(12):
            await fails(breakers.one)
            await breakers.pass_time(25)
        assert (await breakers.one.state()).status == "closed"
        await fails(breakers.one, 3)
        assert (await breakers.one.state()).status == "open"

    follow(rules)


def test_after_the_time_one_request_goes_out_and_its_success_closes(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        await fails(breakers.one, 5)
        await breakers.pass_time(30)
        assert (await breakers.two.state()).status == "half_open"
        await breakers.one.before_request()
        assert 20 < await refused_for(breakers.two) <= 30
        await breakers.one.success()
        assert (await breakers.two.state()).status == "closed"
        await fails(breakers.two, 4)
        await breakers.one.before_request()

    follow(rules)


def test_a_failed_probe_opens_for_twice_as_long_up_to_ten_minutes(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        await fails(breakers.one, 5)
        waits = []
        for _ in range(7):
            waits.append(await refused_for(breakers.two))
            await breakers.pass_time(waits[-1])
            await fails(breakers.one)
        assert waits == pytest.approx([30, 60, 120, 240, 480, 600, 600], abs=10)
        assert waits[1] > 45

        await breakers.pass_time(600)
        await breakers.one.before_request()
        await breakers.one.success()
        await fails(breakers.one, 5)
        assert await refused_for(breakers.two) <= 30

    follow(rules)


def test_a_prober_without_outcome_is_given_up(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        await fails(breakers.one, 5)
        await breakers.pass_time(30)
        await asyncio.create_task(breakers.one.before_request())
        await breakers.pass_time(await refused_for(breakers.two))
        await breakers.two.before_request()
        assert await refused_for(breakers.one) > 20
        await breakers.two.success()
        assert (await breakers.one.state()).status == "closed"

    follow(rules)


def test_a_told_wait_opens_at_once_and_is_not_shortened(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        await breakers.one.failure(wait_seconds=120)
        await breakers.one.failure(wait_seconds=5)
        assert 110 < await refused_for(breakers.two) <= 120
        await breakers.pass_time(120)
        await breakers.two.before_request()
        await breakers.two.failure(wait_seconds=900)
        assert 890 < await refused_for(breakers.one) <= 900

    follow(rules)


def test_answers_to_requests_sent_before_it_opened_decide_nothing(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        await fails(breakers.one, 5)
        await asyncio.create_task(breakers.one.success())
        assert (await breakers.two.state()).status == "open"
        await breakers.pass_time(30)
        await breakers.one.before_request()
        await asyncio.create_task(breakers.one.failure())
        await asyncio.create_task(breakers.two.success())
        assert (await breakers.two.state()).status == "half_open"
        await breakers.one.success()
        assert (await breakers.two.state()).status == "closed"

    follow(rules)


def test_exactly_one_of_eight_tasks_probes(follow: Callable[[Rules], None]) -> None:
    async def rules(breakers: Shared | Alone) -> None:
        await fails(breakers.one, 5)
        await breakers.pass_time(30)
        asked = await asyncio.gather(*(breakers.one.before_request() for _ in range(8)), return_exceptions=True)
        assert sum(answer is None for answer in asked) == 1
        assert sum(isinstance(answer, Throttled) for answer in asked) == 7

    follow(rules)


def probes_in_a_process(url: str, name: str) -> int:
    """How many of two tasks are let through, asking at the moment all four processes are up."""

    async def run() -> int:
        async with a_client(url) as client:
            breaker = CircuitBreaker(client, name=name, vendor="vendor")
            await client.incr(f"up:{name}")
            while int(await client.get(f"up:{name}")) < 4:  # noqa: ASYNC110 (an Event does not reach other processes)
                await asyncio.sleep(0.001)
            asked = await asyncio.gather(*(breaker.before_request() for _ in range(2)), return_exceptions=True)
            return sum(answer is None for answer in asked)

    return asyncio.run(run())


def test_exactly_one_of_eight_tasks_in_four_processes_probes(redis_url: str, processes: ProcessPoolExecutor) -> None:
    name = uuid4().hex

    async def open_briefly() -> None:
        async with a_client(redis_url) as client:
            await CircuitBreaker(client, name=name, vendor="vendor").failure(wait_seconds=0.001)

    asyncio.run(open_briefly())
    runs = [processes.submit(probes_in_a_process, redis_url, name) for _ in range(4)]
    assert sum(run.result() for run in runs) == 1


def test_it_opens_while_redis_is_away_and_is_shared_again_afterwards(
    mortal_redis: Any, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    clock = Clock(SYSTEM_CLOCK.now, lambda: now, SYSTEM_CLOCK.sleep)

    async def run() -> None:
        nonlocal now
        async with a_client(mortal_redis.url) as client, a_client(mortal_redis.url) as other:
            breaker = CircuitBreaker(client, name="mortal", vendor="vendor", clock=clock)
            await breaker.before_request()
            await breaker.success()
            mortal_redis.stop()
            await fails(breaker, 5)
            await refused_for(breaker)
            assert len(caplog.records) == 1

            mortal_redis.start()
            now += 5.0
            await breaker.before_request()
            await breaker.failure(wait_seconds=60)
            assert (await CircuitBreaker(other, name="mortal", vendor="vendor").state()).status == "open"

    asyncio.run(run())


def test_an_open_breaker_is_forgotten_in_the_end(redis_url: str) -> None:
    name = uuid4().hex

    async def run() -> None:
        async with a_client(redis_url) as client:
            breaker = CircuitBreaker(client, name=name, vendor="vendor")
            await breaker.failure()
            assert 0 < await client.ttl(f"dataflow:breaker:{{{name}}}") <= 60
            await breaker.failure(wait_seconds=10)
            assert 0 < await client.ttl(f"dataflow:breaker:{{{name}}}") <= 610

    asyncio.run(run())
