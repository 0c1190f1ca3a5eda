"""A vendor that lists in an order that lasts is stored in parts: what breaks off goes on where it was."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
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
    """Meta's ads in an order that lasts, two a page; breaks off after so many pages. A place is a number of records."""

    def __init__(self) -> None:
        self.pages_left = 10**6
        self.order: Callable[[Any], Any] = lambda record: record["id"]
        self.twice = False  # every record comes again with the next page
        self.bad = False  # the first record keeps no contract
        self.place_every = 1  # so many pages, and when they are several in an empty one after them
        self.asked: list[Window] = []

    async def read(self, caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        self.asked.append(window)
        found = [
            r async for page in META.read(caller, account, stream, window) for r in json.loads(bytes(page.records))
        ]
        found.sort(key=self.order)
        if self.bad:
            found[0]["id"] = None
        after = window.resume_after if isinstance(window, Since) else None
        for start in range(int(after or 0), len(found), 2):
            if not self.pages_left:
                raise Fatal("broke off", vendor="meta_ads", account=account.id)
            self.pages_left -= 1
            again = found[max(start - 2, 0) : start] if self.twice else []
            place = f"{start + 2}" if (start // 2 + 1) % self.place_every == 0 else None
            told_apart = self.place_every > 1
            page = msgspec.Raw(json.dumps(again + found[start : start + 2]).encode())
            yield Page(page, None if told_apart else place)
            if told_apart and place:
                yield Page(msgspec.Raw(b"[]"), place)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "_rows_of_part", lambda _stored: PART)
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


def test_the_first_parts_are_short(world: World, ordered: Ordered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(sync, "PART_ROWS", 6)
    monkeypatch.setattr(batches, "ROWS_PER_BATCH", 1)
    fine(run(world, ordered))
    rows = world.query("select rows_read from dataflow.sync_ledger order by recorded_at")
    assert [row["rows_read"] for row in rows][:3] == [2, 4, 6]


def test_law_3_a_reading_that_breaks_off_keeps_its_parts_and_the_next_goes_on_from_there(
    world: World, ordered: Ordered
) -> None:
    account = world.accounts()[0]
    expected = world.truth(ADS, account)
    began = world.sandbox.clock.now()
    ordered.pages_left = len(expected) // 4
    (failed,) = run(world, ordered).failed
    kept = world.stored(ADS, account)
    assert 0 < len(kept) < len(expected)
    assert failed.after is None
    assert world.watermark(ADS, account) is None, "Nothing is known complete."

    world.sandbox.clock.advance(3_600)
    ordered.pages_left = 10**6
    report = fine(run(world, ordered))
    assert ordered.asked[-1] == Since(resume_after=f"{len(kept)}")
    assert only(report, account).counts.read == len(expected) - len(kept)
    assert_same(world.stored(ADS, account), expected)
    (mark,) = world.query("select watermark, swept_at from dataflow.watermarks")
    assert mark["watermark"] <= mark["swept_at"] < began + timedelta(minutes=1), "What changed since is still to come."
    assert not world.query("select * from dataflow.unfinished_listings")
    assert [window for window, _ in ledger(world)][-1] == "everything"


def test_law_2_a_place_after_several_pages_is_gone_on_from_as_well(world: World, ordered: Ordered) -> None:
    account = world.accounts()[0]
    ordered.place_every = 4
    ordered.pages_left = 5
    assert run(world, ordered).failed
    assert len(world.stored(ADS, account)) == 8
    ordered.pages_left = 10**6
    fine(run(world, ordered))
    assert ordered.asked[-1] != Since()
    assert_same(world.stored(ADS, account), world.truth(ADS, account))


def test_law_2_changes_that_break_off_go_on_as_well_and_leave_the_watermark(world: World, ordered: Ordered) -> None:
    account = world.accounts()[0]
    fine(run(world, ordered))
    mark = world.watermark(ADS, account)
    assert mark
    with world.platform.warehouse.connect() as connection:
        connection.execute("update dataflow.watermarks set watermark = watermark - interval '1 year'")
    ordered.pages_left = 4
    (failed,) = run(world, ordered).failed
    before = ordered.asked[-1]
    assert failed.after == failed.before
    ordered.pages_left = 10**6
    fine(run(world, ordered))
    assert isinstance(before, Since)
    assert ordered.asked[-1] == replace(before, resume_after=ordered.asked[-1].resume_after)  # type: ignore[union-attr]
    assert ordered.asked[-1].resume_after  # type: ignore[union-attr]
    again = world.watermark(ADS, account)
    assert again
    assert again["watermark"] == mark["watermark"]


def test_law_3_the_watermark_of_a_resumed_reading_is_the_newest_of_all_its_parts(
    world: World, ordered: Ordered
) -> None:
    account = world.accounts()[0]
    ordered.order = lambda record: (-datetime.fromisoformat(record["updated_time"]).timestamp(), record["id"])
    newest = max(row["updated_time"] for row in world.truth(ADS, account).values())
    ordered.pages_left = 4
    assert run(world, ordered).failed
    ordered.pages_left = 10**6
    fine(run(world, ordered))
    mark = world.watermark(ADS, account)
    assert mark
    assert mark["watermark"] == newest


def test_law_6_a_resumed_listing_of_which_a_record_is_in_quarantine_has_not_seen_all(
    world: World, ordered: Ordered
) -> None:
    account = world.accounts()[0]
    ordered.bad = True
    ordered.pages_left = 4
    assert run(world, ordered).failed
    ordered.pages_left = 10**6
    fine(run(world, ordered))
    assert len(world.query("select * from dataflow.quarantine")) == 1
    mark = world.watermark(ADS, account)
    assert mark
    assert mark["swept_at"] is None, "Which one was set aside cannot be told, so what vanished cannot either."


def test_a_place_in_another_window_is_not_gone_on_from(world: World, ordered: Ordered) -> None:
    fine(run(world, ordered))
    with world.platform.warehouse.connect() as connection:
        connection.execute("update dataflow.watermarks set watermark = watermark - interval '1 year'")
    ordered.pages_left = 4
    assert run(world, ordered).failed
    assert world.query("select * from dataflow.unfinished_listings")
    with world.platform.warehouse.connect() as connection:
        connection.execute("update dataflow.watermarks set watermark = watermark - interval '1 day'")
    ordered.pages_left = 10**6
    fine(run(world, ordered))
    assert isinstance(ordered.asked[-1], Since)
    assert ordered.asked[-1].resume_after is None, "A day more is asked for: places in that order are others."


def test_an_old_place_is_not_gone_on_from(world: World, ordered: Ordered) -> None:
    ordered.pages_left = 4
    assert run(world, ordered).failed
    world.sandbox.clock.advance(timedelta(hours=13).total_seconds())
    ordered.pages_left = 10**6
    fine(run(world, ordered))
    assert ordered.asked[-1] == Since()
    assert not world.query("select * from dataflow.unfinished_listings")


def test_a_place_the_vendor_no_longer_knows_is_forgotten(world: World, ordered: Ordered) -> None:
    account = world.accounts()[0]
    ordered.pages_left = 4
    assert run(world, ordered).failed
    ordered.pages_left = 0  # refused at once
    assert run(world, ordered).failed
    assert isinstance(ordered.asked[-1], Since)
    assert ordered.asked[-1].resume_after
    ordered.pages_left = 10**6
    fine(run(world, ordered))
    assert ordered.asked[-1] == Since()
    assert_same(world.stored(ADS, account), world.truth(ADS, account))


def test_two_living_processes_do_not_go_on_from_one_place(world: World, ordered: Ordered) -> None:
    account = world.accounts()[0]
    ordered.pages_left = 4
    assert run(world, ordered).failed
    (listing,) = world.query("select listing_id::text as id from dataflow.unfinished_listings")
    ordered.pages_left = 10**6
    with world.platform.warehouse.connect() as other:
        other.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (listing["id"],))
        fine(run(world, ordered))
    assert ordered.asked[-1] == Since()
    assert_same(world.stored(ADS, account), world.truth(ADS, account))


def test_law_4_a_listing_that_is_to_show_what_vanished_is_not_cut(world: World, ordered: Ordered) -> None:
    account = world.accounts()[0]
    fine(run(world, ordered))
    with world.platform.warehouse.connect() as connection:
        connection.execute("update raw_meta_ads.ads set id = 'gone' where id = (select min(id) from raw_meta_ads.ads)")
        connection.execute("update raw_meta_ads.ads set _synced_at = _synced_at - interval '1 hour'")
    report = fine(run(world, ordered, full=True))
    assert report.counts.deleted == 1
    assert_same(world.stored(ADS, account), world.truth(ADS, account))
