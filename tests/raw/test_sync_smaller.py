"""What is too much for a vendor is asked for in smaller questions; rows are the same, and the size is remembered."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from math import log2

import msgspec
import pytest
from raw_support import BY_AD, CAMPAIGNS, META, World, assert_same, fine, reading

from dataflow_assets.connectors.base import Account, Page, Stream, Window
from dataflow_assets.raw.smaller import SMALLEST_PAGE, Size, field_groups, read_at
from dataflow_assets.resources.failures import TooMuchData
from dataflow_assets.resources.http import Caller
from dataflow_assets.windows import DayWindow

WEEK = DayWindow(date(2026, 4, 1), date(2026, 4, 8))


class Strict:
    """Meta that refuses questions of more than so many days, fields or rows a page, and counts its refusals."""

    def __init__(self, *, days: int = 1_000, fields: int = 1_000, page: int = 1_000) -> None:
        self.most = (days, fields, page)
        self.refused = 0

    async def read(self, caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        days = len(window.days) if isinstance(window, DayWindow) else 1
        asked = (days, len(stream.columns), stream.page_size)
        if any(size > most for size, most in zip(asked, self.most, strict=True)):
            self.refused += 1
            raise TooMuchData("too much", vendor="meta_ads", account=account.id)
        async for page in META.read(caller, account, stream, window):
            yield page


def assert_week_is_right(world: World, account: str) -> None:
    assert_same(world.stored(BY_AD, account, WEEK), world.truth(BY_AD, account, WEEK))


@pytest.mark.parametrize(
    "vendor",
    [Strict(days=2), Strict(fields=12), Strict(days=3, fields=16), Strict(page=130), Strict(fields=20, page=60)],
    ids=["days", "fields", "days and fields", "page", "fields and page"],
)
def test_law_8_too_much_data_is_asked_for_in_parts_in_few_steps_and_the_size_is_remembered(
    world: World, vendor: Strict
) -> None:
    account = world.accounts()[0]
    only = {"source": reading(META, vendor.read), "only_accounts": (account,)}
    fine(world.run(BY_AD, WEEK, **only))
    assert_week_is_right(world, account)
    steps = log2(len(WEEK.days)) + log2(len(BY_AD.columns)) + log2(BY_AD.page_size / SMALLEST_PAGE)
    assert 0 < vendor.refused <= steps

    vendor.refused = 0
    fine(world.run(BY_AD, WEEK, **only))
    assert vendor.refused == 0, "The next run starts at the size that worked."
    assert_week_is_right(world, account)

    with world.platform.warehouse.connect() as connection:
        connection.execute("update dataflow.learned_sizes set learned_at = now() - interval '8 days'")
    fine(world.run(BY_AD, WEEK, **only))
    assert vendor.refused > 0, "After a while the whole is tried again."


def test_law_8_a_listing_that_is_too_much_is_asked_for_in_smaller_pages(world: World) -> None:
    vendor = Strict(page=100)
    stream = replace(CAMPAIGNS, is_divisible=True)
    fine(world.run(stream, source=reading(META, vendor.read), full=True))
    for account in world.accounts():
        assert_same(world.stored(CAMPAIGNS, account), world.truth(CAMPAIGNS, account))
    assert vendor.refused == 3 * len(world.accounts())  # 500, 250, 125


def test_law_8_what_is_too_much_at_the_smallest_size_fails_its_account_alone(world: World) -> None:
    vendor = Strict(days=0)
    report = world.run(BY_AD, WEEK, source=reading(META, vendor.read), only_accounts=(world.accounts()[0],))
    (failed,) = report.failed
    assert failed.error
    assert "too much" in failed.error
    assert world.query("select * from dataflow.learned_sizes") == []


def test_every_group_of_fields_has_the_key_and_together_they_have_every_column() -> None:
    groups = list(field_groups(BY_AD, 4))
    assert {column.name for group in groups for column in group.columns} == set(BY_AD.column_names)
    for group in groups:
        assert set(BY_AD.key) <= set(group.column_names)
        assert len(group.columns) < len(BY_AD.columns)


def test_rejoined_values_are_written_as_the_vendor_wrote_them() -> None:
    records = [{"date_start": "2026-04-01", "account_id": "1", "ad_id": "17", "spend": 1.10}, {"odd": True}]
    raw = msgspec.json.encode(records).replace(b"1.1}", b"1.10000000000000000001}")

    async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        yield Page(msgspec.Raw(raw))

    async def go() -> bytes:
        size = replace(Size.whole(BY_AD), groups=2)
        pages = read_at(reading(META, read), None, None, BY_AD, WEEK, size=size)  # type: ignore[arg-type]
        return b"".join([bytes(page.records) async for page in pages])

    joined = asyncio.run(go())
    assert joined.count(b"1.10000000000000000001") == 1
    assert b'{"odd":true}' in joined
