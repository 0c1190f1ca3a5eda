"""Items are made ahead of their use, in order, not too far, and never left behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from dataflow_assets.raw.ahead import ahead


class Source:
    """Numbers, and what became of their maker."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.made = 0
        self.closed = False
        self.fails_at = fails_at

    async def items(self) -> AsyncIterator[int]:
        try:
            while self.made < 20:
                if self.made == self.fails_at:
                    raise ValueError("no more")
                self.made += 1
                yield self.made - 1
                await asyncio.sleep(0)
        finally:
            self.closed = True


def test_items_come_in_order_and_the_source_is_ahead_by_no_more_than_asked() -> None:
    source, most = Source(), 0

    async def go() -> list[int]:
        nonlocal most
        seen = []
        async with aclosing(ahead(source.items(), 3)) as coming:
            async for item in coming:
                await asyncio.sleep(0.001)
                seen.append(item)
                most = max(most, source.made - len(seen))
        return seen

    assert asyncio.run(go()) == list(range(20))
    assert 2 <= most <= 4  # three in the queue and one in hand


def test_a_failure_comes_after_the_items_before_it() -> None:
    seen: list[int] = []

    async def go() -> None:
        async for item in ahead(Source(fails_at=5).items(), 3):
            seen.append(item)  # noqa: PERF401  what came before the failure counts

    with pytest.raises(ValueError, match="no more"):
        asyncio.run(go())
    assert seen == [0, 1, 2, 3, 4]


def test_whoever_stops_early_stops_the_source() -> None:
    source = Source()

    async def go() -> None:
        async with aclosing(ahead(source.items(), 2)) as coming:
            async for _ in coming:
                break
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(go())
    assert source.closed
    assert source.made < 5


def test_the_next_item_is_on_its_way_before_the_last_one_is_used() -> None:
    source = Source()

    async def go() -> None:
        async with aclosing(ahead(source.items(), 1, head_start=0.01)) as coming:
            async for item in coming:
                assert source.made > item + 1 or item == 19

    asyncio.run(go())
