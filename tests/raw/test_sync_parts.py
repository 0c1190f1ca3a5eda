"""A vendor that lists the oldest change first is stored in parts: what breaks off goes on where it was."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest
from raw_support import ADS, META, World, assert_same, fine, only, reading

from dataflow_assets.connectors.base import Account, Page, Since, Stream, Window
from dataflow_assets.raw import batches, sync
from dataflow_assets.resources.failures import Fatal
from dataflow_assets.resources.http import Caller

PART = 5
IN_ORDER = replace(ADS, sweep_every=None)


class Ordered:
    """Meta's ads, oldest change first, two a page; breaks off after so many pages."""

    def __init__(self) -> None:
        self.pages_left = 10**6
        self.twice = False  # every record comes again with the next page
        self.asked: list[Window] = []

    async def read(self, caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        self.asked.append(window)
        found = [
            r async for page in META.read(caller, account, stream, window) for r in json.loads(bytes(page.records))
        ]
        found.sort(key=lambda record: (record["updated_time"], record["id"]))
        for start in range(0, len(found), 2):
            if not self.pages_left:
                raise Fatal("broke off", vendor="meta_ads", account=account.id)
            self.pages_left -= 1
            records = found[start : start + 2]
            again = found[max(start - 2, 0) : start] if self.twice else []
            complete_to = datetime.fromisoformat(records[-1]["updated_time"])
            yield Page(msgspec.Raw(json.dumps(again + records).encode()), complete_to)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "ROWS_IN_MEMORY", PART)
    monkeypatch.setattr(batches, "ROWS_PER_BATCH", 2)


@pytest.fixture
def ordered(small_parts: None) -> Ordered:
    return Ordered()


def run(world: World, vendor: Ordered, **options: Any) -> Any:
    account = world.accounts()[0]
    return world.run(IN_ORDER, source=reading(META, vendor.read), only_accounts=(account,), **options)


def ledger(world: World) -> list[tuple[str, str]]:
    rows = world.query("select sync_window, outcome from dataflow.sync_ledger order by recorded_at")
    return [(row["sync_window"], row["outcome"]) for row in rows]


@pytest.mark.parametrize("twice", [False, True], ids=["each once", "some twice"])
def test_law_2_rows_come_in_parts_and_are_the_vendors(world: World, ordered: Ordered, *, twice: bool) -> None:
    account = world.accounts()[0]
    ordered.twice = twice
    report = fine(run(world, ordered))
    expected = world.truth(ADS, account)
    assert_same(world.stored(ADS, account), expected)
    assert report.counts.inserted == len(expected)
    assert len(ledger(world)) > 1
    assert ledger(world)[-1] == ("everything", "published")
    (mark,) = world.query("select watermark, swept_at from dataflow.watermarks")
    assert mark["watermark"] == max(row["updated_time"] for row in expected.values())
    assert mark["swept_at"], "A listing into an empty table has seen all there is."


def test_law_3_a_reading_that_breaks_off_keeps_its_parts_and_the_next_goes_on_from_there(
    world: World, ordered: Ordered
) -> None:
    account = world.accounts()[0]
    expected = world.truth(ADS, account)
    ordered.pages_left = len(expected) // 4
    (failed,) = run(world, ordered).failed
    kept = world.stored(ADS, account)
    assert 0 < len(kept) < len(expected)
    mark = world.watermark(ADS, account)
    assert mark
    missed = {key for key, row in expected.items() if row["updated_time"] < mark["watermark"]} - kept.keys()
    assert not missed, "The watermark has passed rows that are not stored."
    assert failed.after.instant == mark["watermark"]

    ordered.pages_left = 10**6
    report = fine(run(world, ordered))
    assert ordered.asked[-1] == Since(mark["watermark"] - ADS.overlap)
    assert only(report, account).counts.read < len(expected)
    assert_same(world.stored(ADS, account), expected)


def test_law_4_a_listing_that_is_to_show_what_vanished_is_not_cut(world: World, ordered: Ordered) -> None:
    account = world.accounts()[0]
    fine(run(world, ordered))
    with world.platform.warehouse.connect() as connection:
        connection.execute("update raw_meta_ads.ads set id = 'gone' where id = (select min(id) from raw_meta_ads.ads)")
        connection.execute("update raw_meta_ads.ads set _synced_at = _synced_at - interval '1 hour'")
    report = fine(run(world, ordered, full=True))
    assert report.counts.deleted == 1
    assert_same(world.stored(ADS, account), world.truth(ADS, account))
