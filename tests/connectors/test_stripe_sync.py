"""What syncs of Stripe leave in the raw tables is what the sandbox's world holds, whatever way it came."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from stripe_support import STREAMS, MakePlatform, Rows, Wire, World, assert_same, platform_of

from dataflow_assets.connectors.stripe import CONNECTOR
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

# The account's own API version, which its events have, is raised after seven tenths of the world's 120 days.
OLD_EVENTS, NEW_EVENTS = datetime(2026, 3, 10, 12, tzinfo=UTC), datetime(2026, 5, 20, 12, tzinfo=UTC)
LISTED_DAILY = {stream.name for stream in CONNECTOR.streams if stream.sweep_every == timedelta(hours=20)}


@contextmanager
def a_world(make_platform: MakePlatform, now: datetime, *keys: str, **changes: Any) -> Iterator[World]:
    config = WorldConfig(customers_per_day=3, stripe_accounts=max(1, len(keys)))
    with run_sandbox(config, now=now) as sandbox:
        platform = platform_of(make_platform, sandbox.url, *keys, **changes)
        ensure_schema(platform)
        yield World(platform, sandbox)


@pytest.fixture
def world(make_platform: MakePlatform) -> Iterator[World]:
    with a_world(make_platform, NEW_EVENTS) as made:
        yield made


def living(rows: Rows) -> Rows:
    return {key: row for key, row in rows.items() if not row.get("deleted")}


def assert_up_to_date(world: World, stream: str) -> None:
    """The table holds what Stripe holds. Deleted things may stay, marked; events stay when Stripe has none of them."""
    stored, truth = living(world.stored(stream)), living(world.truth(stream))
    assert_same({key: stored[key] for key in truth if key in stored} if stream == "events" else stored, truth)


def windows(report: Any) -> list[str]:
    return [str(window) for account in report.accounts for window in account.windows]


def test_the_first_sync_brings_all_there_is_of_every_stream(make_platform: MakePlatform) -> None:
    with a_world(make_platform, NEW_EVENTS, "sk_test_sandbox_0", "sk_test_sandbox_1") as world:
        for stream in STREAMS:
            report = world.fine(stream)
            assert windows(report) == ["everything"] * 2
            assert report.counts.inserted == len(world.stored(stream)) > 0, stream
            assert_up_to_date(world, stream)


@pytest.mark.parametrize("now", [OLD_EVENTS, NEW_EVENTS], ids=["events in old shapes", "events in new shapes"])
def test_the_feed_keeps_every_stream_up_to_date(make_platform: MakePlatform, now: datetime) -> None:
    with a_world(make_platform, now) as world:
        fed = [stream for stream in STREAMS if stream not in LISTED_DAILY]
        for stream in fed:
            world.fine(stream)
        written = dict.fromkeys(fed, 0)
        for hours in (3, 71, 79):
            world.sandbox.clock.advance(hours * 3_600)
            for stream in fed:
                report = world.fine(stream)
                assert windows(report)[0].startswith("changed since")
                written[stream] += report.counts.written
                assert_up_to_date(world, stream)
        assert not {stream for stream, rows in written.items() if rows == 0} - {"refunds", "disputes"}


def test_a_sync_that_finds_nothing_new_costs_a_request_and_writes_nothing(world: World) -> None:
    quiet = [stream for stream in STREAMS if stream != "balance_transactions"]
    for stream in quiet:
        world.fine(stream)
    # Far enough for what was read with the first listing to be no longer read again.
    world.sandbox.clock.advance(3_600)
    for stream in quiet:
        world.fine(stream)
    world.sandbox.clock.advance(1)
    silent = 0
    for stream in quiet:
        wire = Wire()
        report = world.fine(stream, wire=wire)
        assert report.counts.written == 0, stream
        if report.counts.read == 0:
            assert wire.paths == ["events"]
            silent += 1
    assert silent > len(quiet) // 2, "What lingers of the last ten minutes is read again, and there was little."


def moment_of(world: World, kind: str, *, after: datetime) -> datetime:
    """The first event of a type after a moment, whose world does not care when it is asked."""
    now = world.sandbox.clock.now()
    for days in range(25, 200, 25):
        world.sandbox.clock.set(after + timedelta(days=days))
        found = [row["created"] for row in world.sandbox.truth("stripe", "events") if row["type"] == kind]
        later = [created for created in found if created > after.timestamp()]
        if later:
            world.sandbox.clock.set(now)
            return datetime.fromtimestamp(min(later), UTC)
    raise AssertionError(f"This world has no {kind}.")


@pytest.mark.parametrize(("kind", "stream"), [("customer.deleted", "customers"), ("invoice.deleted", "invoices")])
def test_what_is_deleted_is_marked_by_its_event_and_gets_a_tombstone_from_the_next_listing(
    world: World, kind: str, stream: str
) -> None:
    at = moment_of(world, kind, after=NEW_EVENTS)
    world.sandbox.clock.set(at - timedelta(minutes=5))
    world.fine(stream)
    before = world.stored(stream)
    world.sandbox.clock.set(at + timedelta(hours=1))
    world.fine(stream)
    after = world.stored(stream)
    ((key, gone),) = [(key, row) for key, row in after.items() if row["deleted"]]
    assert gone == before[key] | {"deleted": True, **{n: gone[n] for n in ("balance", "delinquent") if n in gone}}
    assert_up_to_date(world, stream)
    world.sandbox.clock.advance(8 * 86_400)
    report = world.fine(stream)
    assert windows(report) == ["everything"]
    assert report.counts.deleted == 1
    assert key not in world.stored(stream)


def test_days_are_read_by_themselves(world: World) -> None:
    first, end = date(2026, 5, 4), date(2026, 5, 7)
    for stream in STREAMS:
        world.fine(stream, DayWindow(first, end))
        stored = world.stored(stream)
        assert_same(stored, living(world.truth(stream, first, end - timedelta(days=1))))
        assert bool(stored) == (stream not in {*LISTED_DAILY, "disputes"}), stream
    assert world.query("select stream from dataflow.watermarks") == []


def test_law_6_a_feed_not_read_for_a_month_is_made_up_for_by_a_listing(world: World) -> None:
    for stream in ("subscriptions", "invoices"):
        world.fine(stream)
    world.sandbox.clock.advance(31 * 86_400)
    for stream in ("subscriptions", "invoices"):
        assert windows(world.fine(stream)) == ["everything"]
        assert_up_to_date(world, stream)


def test_events_stay_when_stripe_has_forgotten_them(world: World) -> None:
    first = world.fine("events").counts.inserted
    world.sandbox.clock.advance(20 * 86_400)
    report = world.fine("events")
    assert report.counts.inserted > 0
    assert len(world.stored("events")) == first + report.counts.inserted > len(world.truth("events"))


def test_the_old_shape_lands_too(make_platform: MakePlatform) -> None:
    with a_world(make_platform, NEW_EVENTS, api_version="2024-06-20") as world:
        for stream in STREAMS:
            if stream != "invoice_payments":  # unknown to that version
                world.fine(stream)
                assert world.stored(stream)
        truth = world.truth("invoices")
        stored = world.stored("invoices")
        assert stored.keys() == truth.keys()
        for key, row in truth.items():
            details = (row["parent"] or {}).get("subscription_details") or {}
            assert stored[key]["subscription"] == details.get("subscription")
            assert stored[key]["parent"] is None
            assert stored[key]["paid"] is (row["status"] == "paid")
            assert stored[key]["total"] == row["total"]
        lines, new = world.stored("invoice_lines"), world.truth("invoice_lines")
        assert {key: row["price"] for key, row in lines.items()} == {
            key: row["pricing"]["price_details"]["price"] for key, row in new.items()
        }
        items = world.truth("subscription_items")
        ends = {(key[0], row["subscription"]): row["current_period_end"] for key, row in items.items()}
        subscriptions = world.stored("subscriptions")
        assert {key: row["current_period_end"] for key, row in subscriptions.items()} == ends


def test_law_6_unknown_fields_and_bad_rows_cost_nothing_else(world: World) -> None:
    world.sandbox.fault("unknown_field", vendor="stripe", endpoint="refunds")
    world.sandbox.fault("bad_row", vendor="stripe", endpoint="refunds", times=1)
    report = world.run("refunds")
    assert report.failed == []
    assert report.counts.quarantined == 1
    assert [one.unknown_fields for one in report.accounts] == [["field_of_tomorrow"]]
    assert len(world.stored("refunds")) == len(world.truth("refunds")) - 1
    world.sandbox.clear_faults()
    world.fine("refunds", full=True)
    assert_up_to_date(world, "refunds")


def test_law_9_a_missing_right_ends_one_stream_of_one_account(make_platform: MakePlatform) -> None:
    with a_world(make_platform, NEW_EVENTS, "sk_test_sandbox_0", "sk_test_sandbox_1") as world:
        both = world.fine("products").accounts
        refused, fine = (one.account.id for one in both)
        world.sandbox.fault("permission_denied", vendor="stripe", account=refused, endpoint="disputes")
        report = world.run("disputes")
        (failed,) = report.failed
        assert failed.account.id == refused
        assert "rak_" in (failed.error or ""), "Stripe's own name of the right."
        assert "right to read disputes" in (failed.error or "")
        assert {key[0] for key in world.stored("disputes")} <= {fine}
        world.fine("refunds")
