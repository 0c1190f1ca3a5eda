"""What every registered connector passes by being registered: throttles, credentials that end, equal stamps at the edge
of a page, wrong clocks, caps and changed types, each as the laws say.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from conformance_support import EVERY_VENDOR, REVOKED, START, Place, assert_same
from hasty import HASTY
from psycopg import sql

from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.connectors.stripe import lists
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.session import open_sync
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.sandbox.testing import RunningSandbox

Calm = tuple[RunningSandbox, Place]
MakePlace = Callable[..., Any]


def main_stream(vendor: Connector) -> Stream:
    return vendor.stream(REVOKED[vendor.name][0])


def forget_waits(place: Place) -> None:
    """As if the time had passed that a vendor told to wait, which all processes share."""
    with redis.Redis.from_url(place.platform.redis_url) as client:
        client.flushdb()


# ------------------------------------------------------------------ throttles


# A limit of what an account may have, which LinkedIn answers with 429 as well.
NOT_MENDED_BY_WAITING = {"throttle_segment"}


@EVERY_VENDOR
def test_law_8_each_throttle_is_waited_for_or_ends_the_account_with_the_told_wait_and_costs_no_row(
    vendor: Connector, calm: Calm, make_place: MakePlace
) -> None:
    sandbox, undisturbed = calm
    # A first reading, days, and a second reading, which some ask for in another way.
    streams = [main_stream(vendor), *(s for s in vendor.streams if s.kind is Kind.REPORT), main_stream(vendor)]
    throttles = [n for n in sandbox.fault_names(vendor.name) if "throttle" in n and n not in NOT_MENDED_BY_WAITING]
    assert throttles

    def strike(name: str) -> None:
        sandbox.fault(name, vendor=vendor.name, times=1)

    for name in throttles:
        with make_place(sandbox) as place:
            forget_waits(place)
            for report in in_one_sync(place, vendor, streams, before=lambda name=name: strike(name)):
                for one in report.failed:
                    assert one.retry_after_seconds, (name, one.error)
                    assert vendor.name in str(one.error)
            (rule,) = sandbox.faults()
            assert rule["fired"] == 1, name
            sandbox.clear_faults()
            forget_waits(place)
            for stream in streams:
                assert not place.sync(vendor, stream).failed, name
                assert_same(place.rows(vendor, stream), undisturbed.rows(vendor, stream), stream)


def in_one_sync(
    place: Place, vendor: Connector, streams: Sequence[Stream], before: Callable[[], Any], **options: Any
) -> list[StreamReport]:
    """Sync streams, after the accounts were found and `before` has happened."""

    async def go() -> list[StreamReport]:
        async with open_sync(place.platform, vendor, clock=HASTY, **options) as opened:
            before()
            return [await opened.run(stream) for stream in streams]

    return asyncio.run(go())


# ------------------------------------------------------------------ credentials

# How the sandbox calls a credential that is refused for good.
REFUSED = {
    "google_ads": "revoked_token",
    "hubspot": "bad_token",
    "linkedin_ads": "expired_token",
    "meta_ads": "expired_token",
    "stripe": "expired_key",
}


@EVERY_VENDOR
def test_law_8_a_credential_that_has_ended_is_fatal_is_named_and_keeps_what_was_there(
    vendor: Connector, calm: Calm, make_place: MakePlace
) -> None:
    sandbox, _ = calm
    stream = main_stream(vendor)
    with make_place(sandbox) as place:
        forget_waits(place)
        place.sync(vendor, stream)
        before = place.rows(vendor, stream)
        sandbox.fault(REFUSED[vendor.name], vendor=vendor.name, endpoint=REVOKED[vendor.name][2])
        sandbox.reset_requests()
        report = place.sync(vendor, stream, full=True)
        asked = sandbox.requests()["by_endpoint"][vendor.name][REVOKED[vendor.name][2]]
        sandbox.clear_faults()
        assert len(report.failed) == len(report.accounts)
        assert any(f"DATAFLOW_{vendor.name.upper()}__" in str(one.error) for one in report.failed)
        assert all(one.retry_after_seconds is None for one in report.failed), "No waiting mends it."
        # Once more with a fresh token, where there is a way to get one; never again and again.
        assert asked <= 2 * len(report.accounts)
        assert_same(place.rows(vendor, stream), before, stream)
        forget_waits(place)
        assert not place.sync(vendor, stream).failed


# ------------------------------------------------------------------ pages

SMALL = 3
PAGE_SIZE_OF_THE_STREAM = {"linkedin_ads", "meta_ads"}


@contextmanager
def small_pages(vendor: Connector, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connector]:
    """The connector with three records a page, so that what belongs together lies on several."""
    with monkeypatch.context() as patch:
        patch.setattr(lists, "PAGE_SIZE", SMALL)
        patch.setattr("dataflow_assets.connectors.hubspot.search.PAGE", SMALL)
        if vendor.name == "google_ads":
            sandbox.limits("google_ads", page_rows=SMALL)
        # Reports stay: they have no cursor, and their pages are shown elsewhere.
        narrow = [
            replace(stream, page_size=SMALL)
            if vendor.name in PAGE_SIZE_OF_THE_STREAM and stream.kind is not Kind.REPORT
            else stream
            for stream in vendor.streams
        ]
        yield replace(vendor, streams=tuple(narrow))
    sandbox.reset_limits()


@EVERY_VENDOR
def test_law_3_records_of_one_stamp_on_several_pages_are_all_read_again_from_that_stamp(
    vendor: Connector, calm: Calm, make_place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, _ = calm
    with make_place(sandbox) as place, small_pages(vendor, sandbox, monkeypatch) as narrow:
        forget_waits(place)
        shared = 0
        for stream in narrow.streams:
            if stream.kind is not Kind.ENTITY or not stream.cursor or not stream.sweep_every:
                continue  # listed whole each time
            assert not place.sync(narrow, stream).failed
            stamp = most_common_stamp(place, vendor, stream)
            if stamp is None:
                continue  # nothing that was listed tells when it changed
            before = place.rows(vendor, stream)
            names = {"cursor": sql.Identifier(stream.cursor), "table": table(vendor, stream)}
            with place.platform.warehouse.connect() as connection:
                gone = connection.execute(
                    sql.SQL("delete from {table} where {cursor} >= %s").format(**names), [stamp]
                ).rowcount
                connection.execute(
                    "update dataflow.watermarks set watermark = %s, swept_at = %s where stream = %s",
                    [stamp, sandbox.clock.now(), stream.name],
                )
            report = place.sync(narrow, stream)
            assert not report.failed
            assert not any(getattr(window, "is_everything", False) for one in report.accounts for window in one.windows)
            assert_same(place.rows(vendor, stream), before, stream)
            shared += gone > SMALL
        # At HubSpot a job touches most records in one millisecond; elsewhere few are of one stamp.
        assert shared or vendor.name != "hubspot"


def most_common_stamp(place: Place, vendor: Connector, stream: Stream) -> datetime | None:
    query = sql.SQL("select {cursor} as stamp from {table} where {cursor} is not null group by 1").format(
        cursor=sql.Identifier(stream.cursor or ""), table=table(vendor, stream)
    )
    with place.platform.warehouse.connect() as connection:
        rows = connection.execute(query + sql.SQL(" order by count(*) desc, 1 limit 1")).fetchall()
    return rows[0]["stamp"] if rows else None


# ------------------------------------------------------------------ clocks


@EVERY_VENDOR
@pytest.mark.parametrize("wrong_by", [timedelta(days=-400), timedelta(days=3)], ids=["behind", "ahead"])
def test_law_3_a_wrong_clock_of_ours_closes_no_day_and_reads_the_same(
    vendor: Connector, wrong_by: timedelta, calm: Calm, make_place: MakePlace
) -> None:
    sandbox, undisturbed = calm
    clock = replace(HASTY, now=lambda: START + wrong_by)
    streams = [main_stream(vendor), *(s for s in vendor.streams if s.kind is Kind.REPORT)][:2]
    with make_place(sandbox) as place:

        async def go() -> list[StreamReport]:
            async with open_sync(place.platform, vendor, clock=clock) as opened:
                return [await opened.run(stream) for stream in streams]

        assert [one.error for report in asyncio.run(go()) for one in report.failed] == []
        for stream in streams:
            assert_same(place.rows(vendor, stream), undisturbed.rows(vendor, stream), stream)
        with place.platform.warehouse.connect() as connection:
            marks = connection.execute("select stream, watermark from dataflow.watermarks").fetchall()
        assert marks
        assert all(mark["watermark"] <= sandbox.clock.now() for mark in marks)


# ------------------------------------------------------------------ caps

MOST_ROWS = 40
# A limit of the sandbox that makes an answer end at a cap, in the small world here; None: the vendor has no such cap.
CAPS: Mapping[str, dict[str, Any] | None] = {
    "google_ads": None,  # pages go on to the end
    "hubspot": {"search_ceiling": 400},
    "linkedin_ads": {"most_rows": MOST_ROWS},
    "meta_ads": {"reduce_page_cells": 2_000},
    "stripe": None,
}


@EVERY_VENDOR
def test_law_6_at_a_cap_the_window_is_split_and_nothing_is_missing(
    vendor: Connector, calm: Calm, make_place: MakePlace
) -> None:
    sandbox, undisturbed = calm
    cap = CAPS[vendor.name]
    if cap is None:
        return
    streams = [s for s in vendor.streams if s.kind is Kind.REPORT] or [main_stream(vendor)]
    with make_place(sandbox) as place:
        forget_waits(place)
        sandbox.limits(vendor.name, **cap)
        for declared in streams:
            stream = replace(declared, page_size=MOST_ROWS) if "most_rows" in cap else declared
            report = place.sync(vendor, stream)
            assert [one.error for one in report.failed] == []
            if stream.cursor:
                with place.platform.warehouse.connect() as connection:
                    connection.execute(
                        "update dataflow.watermarks set watermark = '2020-01-01' where swept_at is not null"
                    )
                    connection.execute(sql.SQL("delete from {}").format(table(vendor, stream)))
                assert not place.sync(vendor, stream).failed
            assert_same(place.rows(vendor, stream), undisturbed.rows(vendor, stream), stream)
        sandbox.reset_limits()


# ------------------------------------------------------------------ types


@EVERY_VENDOR
def test_law_6_where_a_type_has_changed_records_are_set_aside_and_what_was_stored_stays(
    vendor: Connector, calm: Calm, make_place: MakePlace
) -> None:
    sandbox, _ = calm
    assert "type_changed" in sandbox.fault_names(vendor.name)
    with make_place(sandbox) as place:
        forget_waits(place)
        place.sync_all(vendor)
        before = {stream.name: place.rows(vendor, stream) for stream in vendor.streams}
        notes: list[str] = []
        reports = in_one_sync(
            place,
            vendor,
            vendor.streams,
            before=lambda: sandbox.fault("type_changed", vendor=vendor.name),
            on_note=notes.append,
        )
        sandbox.clear_faults()
        assert [one.error for report in reports for one in report.failed] == []
        assert sum(report.counts.quarantined for report in reports) > 0
        for stream, report in zip(vendor.streams, reports, strict=True):
            assert_same(place.rows(vendor, stream), before[stream.name], stream)
            if stream.kind is Kind.REPORT:
                assert report.counts.quarantined == report.counts.read > 0
                assert all(one.after == one.before for one in report.accounts), "Nothing was read of these days."
                assert any(stream.name in note and "quarantine" in note for note in notes)
                with place.platform.warehouse.connect() as connection:
                    ended = connection.execute(
                        "select distinct outcome from dataflow.sync_ledger where stream = %s and rows_quarantined > 0",
                        (stream.name,),
                    ).fetchall()
                assert ended == [{"outcome": "unreadable"}], "As published it would go before an earlier, good reading."
        place.sync_all(vendor)
        for stream in vendor.streams:
            assert_same(place.rows(vendor, stream), before[stream.name], stream)
