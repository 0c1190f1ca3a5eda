"""The one source of time and of waiting, so that tests decide what time it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """Time as the program sees it: `now` is aware and in UTC, `monotonic` and `sleep` are in seconds."""

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


def _utc_now() -> datetime:
    return datetime.now(UTC)


SYSTEM_CLOCK = Clock(now=_utc_now, monotonic=time.monotonic, sleep=asyncio.sleep)
