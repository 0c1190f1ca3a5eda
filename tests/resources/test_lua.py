"""The scripts in the shared Redis, called by tasks that are cancelled."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import redis.asyncio

from dataflow_assets.resources.clock import SYSTEM_CLOCK
from dataflow_assets.resources.lua import SharedScripts


def unexpected(message: str) -> None:
    raise AssertionError(message)


class DropsOneCancellation(redis.asyncio.Redis):
    """Does what `asyncio.wait_for` of Python 3.11 does when the cancellation comes as the send ends."""

    sent: asyncio.Event

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        if not self.sent.is_set():
            self.sent.set()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
        return await super().execute_command(*args, **options)


async def cancelled_while_it_asks(client: DropsOneCancellation) -> asyncio.Task[Any]:
    client.sent = asyncio.Event()
    scripts = SharedScripts(client, clock=SYSTEM_CLOCK, on_lost=unexpected)
    task = asyncio.create_task(scripts.run("budget_snapshot", ["dataflow:budget:{vendor}:limit"], [1]))
    await client.sent.wait()
    task.cancel()
    await asyncio.wait([task], timeout=10)
    return task


def test_a_cancellation_that_the_client_drops_is_not_lost(redis_url: str) -> None:
    async def cancel() -> None:
        async with DropsOneCancellation.from_url(redis_url) as client:
            assert (await cancelled_while_it_asks(client)).cancelled()

    asyncio.run(cancel())


def test_a_task_that_was_cancelled_before_may_still_ask_while_it_cleans_up(redis_url: str) -> None:
    async def cleans_up(client: redis.asyncio.Redis) -> list[Any] | None:
        scripts = SharedScripts(client, clock=SYSTEM_CLOCK, on_lost=unexpected)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return await scripts.run("budget_snapshot", ["dataflow:budget:{vendor}:limit"], [1])
        pytest.fail("nobody cancelled it")

    async def cancel() -> list[Any] | None:
        async with redis.asyncio.Redis.from_url(redis_url) as client:
            task = asyncio.create_task(cleans_up(client))
            await asyncio.sleep(0)
            task.cancel()
            return await task

    assert asyncio.run(cancel()) == [[0, 1000, 0]]
