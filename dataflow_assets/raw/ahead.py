"""What comes next is made while what came last is being used."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    error: Exception | None = None


async def ahead(source: AsyncIterator[T], depth: int, *, head_start: float = 0.0) -> AsyncGenerator[T, None]:
    """The items of a source, which runs ahead by up to `depth` of them. Close it to stop the source.

    `head_start` (seconds) keeps an item back while the source sets about the next one: a request must be on its way
    before the work on the last answer keeps the event loop busy, or the two would follow each other.
    """
    queue: asyncio.Queue[T | _End] = asyncio.Queue(depth)

    async def pump() -> None:
        end = _End()
        try:
            async for item in source:
                await queue.put(item)
        except Exception as error:  # noqa: BLE001  raised where the items are used
            end = _End(error)
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()
        await queue.put(end)

    pumping = asyncio.create_task(pump())
    try:
        while not isinstance(item := await queue.get(), _End):
            if head_start and queue.empty():
                await asyncio.sleep(head_start)
            yield item
        if item.error:
            raise item.error
    finally:
        pumping.cancel()
        await asyncio.gather(pumping, return_exceptions=True)
