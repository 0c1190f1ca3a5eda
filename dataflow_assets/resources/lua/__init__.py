"""Runs the Lua scripts of this folder in the shared Redis, and knows while it does not answer.

In: a script's name, keys and arguments. Out: its integers, or None while Redis is away; the caller then goes by a
rule of its own process. Scripts use commands of Redis 6.2 and its clock alone, so processes never compare clocks.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import redis.asyncio
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from dataflow_assets.resources.clock import Clock
from dataflow_assets.resources.redact import redact

ANSWER_SECONDS = 3.0  # bounds the retries inside the Redis client, which would hold every request up
ASK_AGAIN_SECONDS = 5.0  # a dead Redis costs one caller this often the time above, not every request


class SharedScripts:
    """The scripts as functions. `on_lost` is told why, once each time Redis goes away."""

    def __init__(self, redis: redis.asyncio.Redis, *, clock: Clock, on_lost: Callable[[str], None]) -> None:
        self._redis = redis
        self._clock = clock
        self._on_lost = on_lost
        self._scripts: dict[str, AsyncScript] = {}
        self._lost = False
        self._ask_again_at = 0.0

    async def run(self, name: str, keys: Sequence[str], args: Sequence[str | float] = ()) -> list[Any] | None:
        """The script's answer, or None while Redis does not answer or refuses to run it."""
        if self._lost:
            if self._clock.monotonic() < self._ask_again_at:
                return None
            self._ask_again_at = self._clock.monotonic() + ASK_AGAIN_SECONDS
        cancellations = _cancellations()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = cast("list[Any]", await self._script(name)(keys=keys, args=args))
        except (RedisError, OSError) as error:
            self._ask_again_at = self._clock.monotonic() + ASK_AGAIN_SECONDS
            if not self._lost:
                self._lost = True
                self._on_lost(f"{type(error).__name__}: {redact(str(error)) or 'no answer'}")
            answer = None
        else:
            self._lost = False
        if _cancellations() > cancellations:
            # Python 3.11's wait_for, which the client sends with, drops a cancellation that comes as the send ends:
            # the task would go on, whatever Ctrl-C or its owner wanted, and be waited for without end.
            raise asyncio.CancelledError
        return answer

    def _script(self, name: str) -> AsyncScript:
        if name not in self._scripts:
            text = (Path(__file__).parent / f"{name}.lua").read_text(encoding="utf-8")
            self._scripts[name] = self._redis.register_script(text)
        return self._scripts[name]


def _cancellations() -> int:
    """How often the running task has been told to end."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0
