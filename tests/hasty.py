"""Clocks for tests: the time is real, and waits are cut to a thousandth of a second."""

import asyncio

from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock


def hasty_clock(naps: list[float]) -> Clock:
    """A clock that collects what would have been slept, in seconds."""

    async def sleep(seconds: float) -> None:
        naps.append(seconds)
        await asyncio.sleep(min(seconds, 0.001))

    return Clock(now=SYSTEM_CLOCK.now, monotonic=SYSTEM_CLOCK.monotonic, sleep=sleep)


HASTY = hasty_clock([])
