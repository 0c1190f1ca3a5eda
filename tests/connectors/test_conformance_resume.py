"""A long listing that breaks off goes on where it was, for every vendor whose order allows that."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from conformance_support import EVERY_VENDOR, HISTORY_DAYS, START, WORLD, Place, assert_same

from dataflow_assets.connectors import connector
from dataflow_assets.connectors.base import Account, Connector, Kind, Page, Stream, Window
from dataflow_assets.connectors.hubspot import reading, search
from dataflow_assets.connectors.stripe import lists
from dataflow_assets.raw import batches, sync
from dataflow_assets.resources.failures import Retryable
from dataflow_assets.resources.http import Caller
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox

RECORDS_A_PAGE = 4
# Of the vendors that list in an order that lasts: the streams that fill several pages in this small world.
LONG = {
    "hubspot": {"contacts", "companies", "deals", "deal_stage_history", "deal_contacts", "contact_companies"},
    "stripe": {"customers", "subscriptions", "subscription_items", "invoices", "invoice_lines", "charges", "events"},
}


@dataclass
class Breaking:
    """A vendor whose every reading breaks off after so many pages."""

    vendor: Connector
    pages_left: int
    pages: int = 0
    resumed: int = 0

    @property
    def connector(self) -> Connector:
        return replace(self.vendor, read=self._read)

    async def _read(self, caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        self.resumed += bool(getattr(window, "resume_after", None))
        left = self.pages_left
        async for page in self.vendor.read(caller, account, stream, window):
            if not left:
                raise Retryable("broke off", vendor=self.vendor.name, account=account.id)
            left -= 1
            self.pages += 1
            yield page


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "_rows_of_part", lambda _stored: 1)
    monkeypatch.setattr(batches, "ROWS_PER_BATCH", 1)
    monkeypatch.setattr(lists, "PAGE_SIZE", RECORDS_A_PAGE)
    monkeypatch.setattr(reading, "LINKS_BATCH", RECORDS_A_PAGE)
    monkeypatch.setattr(search, "PAGE", RECORDS_A_PAGE)
    monkeypatch.setattr(search, "CEILING", 2 * RECORDS_A_PAGE)


def listed(vendor: Connector) -> list[Stream]:
    return [replace(one, page_size=RECORDS_A_PAGE) for one in vendor.streams if one.kind is not Kind.REPORT]


@EVERY_VENDOR
def test_law_2_a_first_listing_that_breaks_off_again_and_again_comes_to_its_end(
    vendor: Connector, calm: tuple[RunningSandbox, Place], make_place: Callable[..., Any]
) -> None:
    sandbox, undisturbed = calm
    resumed = set()
    with make_place(sandbox) as place:
        for stream in listed(vendor):
            whole, breaking = Breaking(vendor, 10**9), Breaking(vendor, 5)
            for _ in range(200):
                before = breaking.pages
                report = place.sync(breaking.connector, stream)
                if not report.failed or breaking.pages == before:
                    break
                if not unfinished(place):
                    breaking.pages_left = 10**9  # this one cannot go on, so let it come to its end
            assert not report.failed, stream.name
            assert not unfinished(place)
            assert_same(place.rows(vendor, stream), undisturbed.rows(vendor, stream), stream)
            if breaking.resumed:
                resumed.add(stream.name)
                with make_place(sandbox) as another:
                    another.sync(whole.connector, stream)
                # Every page once, and what lies between the last place and the end of a reading again.
                assert breaking.pages <= whole.pages + 5 * (breaking.resumed + 1)
    assert resumed >= LONG.get(vendor.name, set())


@pytest.mark.parametrize("name", LONG)
def test_law_3_what_changed_while_a_listing_was_broken_off_is_read_by_the_next_sync(
    name: str, make_place: Callable[..., Any]
) -> None:
    vendor = connector(name)
    with run_sandbox(WORLD, now=START) as sandbox, make_place(sandbox) as place, make_place(sandbox) as fresh:
        for stream in listed(vendor):
            place.sync(Breaking(vendor, 5).connector, stream)
        assert unfinished(place)
        broke_off = sandbox.clock.now()
        sandbox.clock.advance(timedelta(hours=9).total_seconds())
        for stream in listed(vendor):
            assert not place.sync(vendor, stream).failed
        parts = place.query("select distinct stream from dataflow.sync_ledger where sync_window like '%, in parts'")
        marks = {row["stream"]: row["watermark"] for row in place.query("select * from dataflow.watermarks")}
        assert {row["stream"] for row in parts} >= LONG[name]
        assert max(marks[stream] for stream in LONG[name]) <= broke_off + timedelta(minutes=1)
        sandbox.clock.advance(timedelta(hours=1).total_seconds())
        place.sync_all(vendor)
        fresh.sync_all(vendor)
        since = sandbox.clock.now().date() - timedelta(days=HISTORY_DAYS - 2)
        for stream in vendor.streams:
            found, expected = place.rows(vendor, stream, since), fresh.rows(vendor, stream, since)
            if stream.sweep_every == timedelta(days=7):  # who was erased without a trace is seen by the weekly listing
                found = {key: row for key, row in found.items() if key in expected}
            if stream.kind is Kind.EVENT:
                assert expected.keys() <= found.keys()
            else:
                assert_same(found, expected, stream)


def test_law_2_many_changes_in_hubspot_that_break_off_go_on_where_they_were(make_place: Callable[..., Any]) -> None:
    vendor = connector("hubspot")
    with run_sandbox(WORLD, now=START) as sandbox, make_place(sandbox) as place, make_place(sandbox) as fresh:
        place.sync_all(vendor)
        sandbox.clock.advance(timedelta(days=6).total_seconds())
        for name in ("contacts", "deals"):
            stream = replace(vendor.stream(name), page_size=RECORDS_A_PAGE)
            breaking = Breaking(vendor, 4)
            for _ in range(50):
                report = place.sync(breaking.connector, stream)
                if not report.failed:
                    break
                assert unfinished(place), "Nothing is kept, so it would never come to its end."
            assert not report.failed
            assert breaking.resumed
            assert not unfinished(place)
            fresh.sync(vendor, stream)
            expected = fresh.rows(vendor, stream)
            found = place.rows(vendor, stream)
            assert_same({key: row for key, row in found.items() if key in expected}, expected, stream)


def test_a_place_in_a_list_of_stripe_whose_records_have_all_vanished_is_as_good_as_none(
    calm: tuple[RunningSandbox, Place], make_place: Callable[..., Any]
) -> None:
    sandbox, undisturbed = calm
    vendor = connector("stripe")
    stream = vendor.stream("customers")
    with make_place(sandbox) as place:
        assert place.sync(Breaking(vendor, 5).connector, stream).failed
        place.query("update dataflow.unfinished_listings set resume_after = 'cus_gone1 cus_gone2' returning 1")
        again = Breaking(vendor, 10**9)
        assert not place.sync(again.connector, stream).failed
        assert again.resumed
        assert_same(place.rows(vendor, stream), undisturbed.rows(vendor, stream), stream)


def unfinished(place: Place) -> list[dict[str, Any]]:
    return place.query("select * from dataflow.unfinished_listings")
