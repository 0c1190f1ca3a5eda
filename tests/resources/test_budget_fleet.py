"""The budget under many processes for longer than a unit test may take."""

import asyncio
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
from test_budget import PROCESSES, a_budget, a_limit, come_up, grants_seen_by_server, most_within, run_everywhere

from dataflow_assets.resources.budget import Lane, Limit

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

REQUESTS_PER_SECOND = 20
SECONDS = 30.0
LIVE_REQUESTS = 60


@pytest.fixture
def ready(processes: ProcessPoolExecutor) -> ProcessPoolExecutor:
    list(processes.map(come_up, range(PROCESSES)))
    return processes


def test_four_processes_of_four_workers_share_evenly_use_it_up_and_never_exceed_it(
    redis_url: str, ready: ProcessPoolExecutor
) -> None:
    limit = a_limit(REQUESTS_PER_SECOND, 1.0)
    with grants_seen_by_server(redis_url, limit) as grants:
        _, seen = run_everywhere(ready, redis_url, [limit], SECONDS)
    shares = [sum(map(len, workers)) for workers in seen]
    print(f"shares {shares}, most in a second {most_within(grants, 1.0)}")  # noqa: T201 (shown when it fails)
    assert most_within(grants, 1.0) <= REQUESTS_PER_SECOND + limit.burst
    assert sum(shares) >= 0.95 * REQUESTS_PER_SECOND * SECONDS
    assert min(shares) >= 0.8 * max(shares)


def test_a_backfill_slows_a_live_sync_by_at_most_a_fifth(redis_url: str) -> None:
    """Live: one request after the other, each answered in 40 ms. Backfill: as many as the budget gives."""

    async def live(limit: Limit) -> float:
        async with a_budget(redis_url) as budget:
            began = time.monotonic()
            for _ in range(LIVE_REQUESTS):
                await budget.acquire([limit])
                await asyncio.sleep(0.04)
            return time.monotonic() - began

    async def backfill(limit: Limit) -> None:
        async with a_budget(redis_url) as budget:
            while True:
                await budget.acquire([limit], lane=Lane.BACKFILL)

    async def beside_a_backfill() -> float:
        limit = a_limit(REQUESTS_PER_SECOND, 1.0, burst=2 * REQUESTS_PER_SECOND)
        crowd = [asyncio.create_task(backfill(limit)) for _ in range(4)]
        await asyncio.sleep(3)
        seconds = await live(limit)
        for task in crowd:
            task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
        return seconds

    alone = asyncio.run(live(a_limit(REQUESTS_PER_SECOND, 1.0, burst=2 * REQUESTS_PER_SECOND)))
    beside = asyncio.run(beside_a_backfill())
    print(f"alone {alone:.2f} s, beside a backfill {beside:.2f} s")  # noqa: T201 (shown when it fails)
    assert beside <= 1.2 * alone
