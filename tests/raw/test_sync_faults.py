"""What goes wrong at the vendor, and what of it reaches the table: nothing wrong, nothing doubled, nothing unsaid."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from raw_support import (
    BY_AD,
    BY_CAMPAIGN,
    CAMPAIGNS,
    META,
    World,
    assert_same,
    fine,
    hasty_clock,
    meta_settings,
    only,
    slow_and_quick,
)

from dataflow_assets.raw.smaller import Size
from dataflow_assets.resources.failures import Fatal
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.windows import DayWindow, day_start

WEEK = DayWindow(date(2026, 4, 1), date(2026, 4, 8))
SMALL_PAGES = replace(BY_AD, page_size=20)
PASSING = ("transient_2", "html_502", "cut_connection", "malformed_page")


def calls(world: World, endpoint: str = "insights") -> int:
    """Calls of an endpoint since the counts were reset."""
    return int(world.sandbox.requests()["by_endpoint"].get("meta_ads", {}).get(endpoint, 0))


def assert_week_is_right(world: World, *accounts: str) -> None:
    for account in accounts or world.accounts():
        expected = world.truth(BY_AD, account, WEEK)
        assert expected
        assert_same(world.stored(BY_AD, account, WEEK), expected)


# ------------------------------------------------------------------ law 8: passing faults


@pytest.mark.parametrize("fault", PASSING)
def test_law_8_a_passing_fault_is_tried_again_and_the_rows_are_right(world: World, fault: str) -> None:
    world.sandbox.fault(fault, endpoint="insights", times=3, after=4)
    report = fine(world.run(SMALL_PAGES, WEEK))
    assert [rule["fired"] for rule in world.sandbox.faults()] == [3]
    assert report.tally.retries == 3
    assert_week_is_right(world)


@pytest.mark.parametrize("fault", PASSING)
def test_law_8_a_fault_that_does_not_pass_ends_the_account_after_six_tries_and_keeps_what_was_there(
    world: World, fault: str
) -> None:
    account = world.accounts()[0]
    fine(world.run(BY_CAMPAIGN, WEEK, only_accounts=(account,)))
    before, mark = world.stored(BY_CAMPAIGN, account), world.watermark(BY_CAMPAIGN, account)
    world.sandbox.fault(fault, endpoint="insights")
    world.sandbox.reset_requests()
    report = world.run(BY_CAMPAIGN, WEEK, only_accounts=(account,))
    (failed,) = report.failed
    assert 5 <= calls(world) <= 6
    assert world.stored(BY_CAMPAIGN, account) == before
    assert world.watermark(BY_CAMPAIGN, account) == mark
    (noted,) = world.query("select * from dataflow.sync_ledger where outcome = 'failed'")
    assert (noted["account_id"], noted["error"]) == (account, failed.error)
    world.sandbox.clear_faults()
    with world.platform.redis() as client:
        client.flushall()  # the breaker has opened
    fine(world.run(BY_CAMPAIGN, WEEK, only_accounts=(account,)))
    assert_same(world.stored(BY_CAMPAIGN, account, WEEK), world.truth(BY_CAMPAIGN, account, WEEK))


def test_law_9_an_account_that_failed_at_every_try_is_named_with_what_the_vendor_said(world: World) -> None:
    account = world.accounts()[0]
    world.sandbox.fault("transient_2", endpoint="insights")
    (failed,) = world.run(BY_CAMPAIGN, WEEK, only_accounts=(account,)).failed
    assert failed.error
    assert account in failed.error
    assert "An unexpected error has occurred" in failed.error, "Not only that the breaker has opened."


def test_law_8_waits_between_tries_grow_and_stay_below_half_a_minute(world: World) -> None:
    naps: list[float] = []
    world.sandbox.fault("transient_2", endpoint="insights", times=4)
    account = world.accounts()[0]
    report = fine(world.run(BY_CAMPAIGN, WEEK, only_accounts=(account,), clock=hasty_clock(naps)))
    assert len(naps) == report.tally.retries == 4
    for doubling, nap in enumerate(naps):
        assert 0.5 * 2**doubling <= nap <= 2**doubling
    assert sum(naps) == pytest.approx(report.tally.retry_wait_seconds)


def test_law_7_without_redis_a_sync_goes_on_at_a_part_of_the_rate_and_says_so_once(world: World) -> None:
    notes: list[str] = []
    nowhere = World(replace(world.platform, redis_url="redis://127.0.0.1:9/0"), world.sandbox)
    fine(nowhere.run(BY_AD, WEEK, on_note=notes.append))
    assert_week_is_right(world)
    assert [note for note in notes if "25% of the rate" in note] == notes
    assert len(notes) == 1


# ------------------------------------------------------------------ law 8: throttles


@pytest.mark.parametrize(
    ("fault", "status"), [("throttle_17_2446079", 400), ("throttle_613_1487742", 403), ("throttle_80000", 500)]
)
def test_law_8_a_long_told_wait_ends_the_account_and_says_when_to_come_back_while_others_land(
    world: World, fault: str, status: int
) -> None:
    blocked, *others = world.accounts()
    world.sandbox.fault(fault, account=blocked, endpoint="insights", seconds=600, status=status)
    report = world.run(BY_AD, WEEK)
    assert [failed.account.id for failed in report.failed] == [blocked]
    assert report.failed[0].retry_after_seconds == 600
    assert calls(world) == len(others) + 1
    assert_week_is_right(world, *others)
    assert world.stored(BY_AD, blocked) == {}
    assert world.watermark(BY_AD, blocked) is None

    # Whoever comes next knows of it without asking: calls made during a block extend it.
    world.sandbox.reset_requests()
    again = world.run(BY_AD, WEEK)
    assert again.failed[0].retry_after_seconds == pytest.approx(600, abs=30)
    assert world.sandbox.requests()["by_account"]["meta_ads"].keys() == set(others)


def test_law_8_a_throttle_of_the_app_holds_every_account(world: World) -> None:
    world.sandbox.fault("throttle_4_1504022", endpoint="insights", times=1)
    patient = replace(
        world.platform, settings=world.platform.settings.model_copy(update={"max_inline_wait_seconds": 9})
    )

    async def one_by_one(sync: Any) -> Any:
        sync.concurrency = 1
        return await sync.run(BY_AD, WEEK)

    report = World(patient, world.sandbox).with_sync(one_by_one)
    assert calls(world) == 1
    assert len(report.failed) == len(world.accounts())
    for failed in report.failed:
        assert failed.retry_after_seconds == pytest.approx(60, abs=5)
        assert failed.account.id in failed.error


def test_law_8_a_short_told_wait_is_waited_for_in_the_client(world: World) -> None:
    account = world.accounts()[0]
    naps: list[float] = []
    world.sandbox.fault("throttle_17_2446079", account=account, endpoint="insights", seconds=1, times=1)
    fine(world.run(BY_AD, WEEK, clock=hasty_clock(naps)))
    assert naps[0] == 1.0
    assert_week_is_right(world)


# ------------------------------------------------------------------ law 8: too much data


def asked_days(report: Any, account: str) -> list[DayWindow]:
    return [window for window in only(report, account).windows if isinstance(window, DayWindow)]


def test_law_8_too_much_data_at_once_becomes_a_report_run_with_the_same_rows(world: World) -> None:
    account = world.accounts()[0]
    world.sandbox.fault("reduce_500", account=account, endpoint="insights", times=1)
    report = fine(world.run(BY_AD, WEEK))
    assert (calls(world, "async_create"), calls(world, "async_poll")) == (1, 2)
    assert asked_days(report, account) == [WEEK]
    assert_week_is_right(world)


@pytest.mark.parametrize("fault", ["async_fail", "async_too_large", "async_skip"])
def test_law_8_a_report_run_that_fails_twice_splits_the_window_and_the_rows_are_the_same(
    world: World, fault: str
) -> None:
    account = world.accounts()[0]
    world.sandbox.fault("reduce_500", account=account, endpoint="insights", times=1)
    world.sandbox.fault(fault, account=account, endpoint="async_poll", times=2)
    report = fine(world.run(BY_AD, WEEK))
    windows = asked_days(report, account)
    assert [window.start for window in windows] == [date(2026, 4, 1), date(2026, 4, 5)]
    assert all(a.end == b.start for a, b in pairwise(windows))
    assert windows[-1].end == WEEK.end
    assert_week_is_right(world)


def test_law_8_too_much_data_on_a_later_page_starts_the_window_over_in_halves(world: World) -> None:
    account = world.accounts()[0]
    world.sandbox.fault("reduce_500", account=account, endpoint="insights", after=1, times=1)
    report = fine(world.run(SMALL_PAGES, WEEK))
    assert len(asked_days(report, account)) == 2
    assert_week_is_right(world)


def test_a_report_run_that_is_not_readable_yet_or_stands_at_100_percent_is_waited_for(world: World) -> None:
    account = world.accounts()[0]
    world.sandbox.fault("reduce_500", account=account, endpoint="insights", times=1)
    world.sandbox.fault("async_stuck_at_100", account=account, endpoint="async_poll", times=3)
    world.sandbox.fault("async_not_ready", account=account, endpoint="async_page", times=2)
    report = fine(world.run(BY_AD, WEEK))
    assert all(rule["fired"] == rule["times"] for rule in world.sandbox.faults())
    assert asked_days(report, account) == [WEEK]
    assert_week_is_right(world)


def test_law_8_one_day_that_is_too_much_fails_its_account_and_keeps_the_days_before(world: World) -> None:
    account, *others = world.accounts()
    days = DayWindow(date(2026, 4, 1), date(2026, 4, 5))
    fine(world.run(BY_AD, DayWindow(days.start, date(2026, 4, 3)), only_accounts=(account,)))
    world.sandbox.fault("reduce_500", account=account, endpoint="insights")
    world.sandbox.fault("async_fail", account=account, endpoint="async_poll")
    report = world.run(BY_AD, days)
    (failed,) = report.failed
    assert failed.account.id == account
    assert failed.error
    assert "Job Failed" in failed.error
    assert failed.retry_after_seconds is None
    sizes = [replace(Size.whole(BY_AD), days=4)]
    while smaller := sizes[-1].smaller(BY_AD, sizes[-1].days):
        sizes.append(smaller)
    assert len(sizes) == 3 + 3 + 4, "Four, two days and one day; fields in halves, quarters, eighths; pages down to 50."
    assert calls(world, "async_create") == len(sizes) * 2, "Each size is tried twice."
    for other in others:
        assert_same(world.stored(BY_AD, other, days), world.truth(BY_AD, other, days))


# ------------------------------------------------------------------ laws 8 and 9: fatal


def test_law_8_an_expired_token_stops_every_account_without_a_storm_of_retries(world: World) -> None:
    world.sandbox.fault("expired_token", endpoint="insights")

    async def both(sync: Any) -> tuple[Any, Any]:
        sync.concurrency = 1
        return await sync.run(BY_AD, WEEK), await sync.run(CAMPAIGNS)

    first, second = world.with_sync(both)
    assert calls(world, "insights") == 1
    assert calls(world, "campaigns") == 0, "The next stream does not begin either."
    for report in (first, second):
        assert len(report.failed) == len(world.accounts())
        for failed in report.failed:
            assert "DATAFLOW_META_ADS__ACCESS_TOKEN" in failed.error
            assert failed.retry_after_seconds is None


def test_law_8_accounts_already_on_their_way_stop_at_their_next_slice(world: World) -> None:
    slices = replace(BY_AD, slice_days=1)
    world.sandbox.fault("expired_token", account=world.accounts()[1], endpoint="insights", after=2)
    report = world.run(slices, WEEK)
    assert len(report.failed) == len(world.accounts())
    for one in report.accounts:
        assert len(asked_days(report, one.account.id)) < 7, "No account reads on to the end of its seven slices."
        for window in asked_days(report, one.account.id):
            assert_same(world.stored(BY_AD, one.account.id, window), world.truth(BY_AD, one.account.id, window))


def test_law_8_a_token_that_is_refused_at_the_first_call_is_a_fatal_error_with_a_hint(world: World) -> None:
    world.sandbox.fault("expired_token", endpoint="ad_accounts")
    with pytest.raises(Fatal, match="DATAFLOW_META_ADS__ACCESS_TOKEN") as caught:
        world.run(BY_AD, WEEK)
    assert caught.value.scope == "vendor"
    assert calls(world, "ad_accounts") == 1


@pytest.mark.parametrize("code", [10, 200])
def test_law_9_a_revoked_account_is_named_and_the_others_land(world: World, code: int) -> None:
    fine(world.run(BY_AD, WEEK))
    revoked, *others = world.accounts()
    mark, before = world.watermark(BY_AD, revoked), world.stored(BY_AD, revoked)
    world.sandbox.fault("revoked_account", account=revoked, endpoint="insights", code=code)
    world.sandbox.reset_requests()
    world.sandbox.clock.advance(86_400)
    report = world.run(BY_AD)
    assert [failed.account.id for failed in report.failed] == [revoked]
    assert report.failed[0].error
    assert revoked in report.failed[0].error
    assert "DATAFLOW_META_ADS__ACCOUNT_IDS" in report.failed[0].error
    assert world.sandbox.requests()["by_account"]["meta_ads"][revoked] == 1, "Fatal is not tried again."
    for account in others:
        window = asked_days(report, account)[-1]
        assert window.end == world.today(account)
        assert_same(world.stored(BY_AD, account, window), world.truth(BY_AD, account, window))
    assert world.watermark(BY_AD, revoked) == mark
    assert world.stored(BY_AD, revoked) == before
    (noted,) = world.query("select account_id, error from dataflow.sync_ledger where outcome = 'failed'")
    assert noted == {"account_id": revoked, "error": report.failed[0].error}


def test_law_9_a_configured_account_that_cannot_be_seen_is_named_and_the_others_land(
    make_platform: Callable[..., Platform], sandbox: RunningSandbox
) -> None:
    real = str(sandbox.truth("meta_ads", "ad_accounts")[0]["account_id"])
    world = World(make_platform(sandbox.url, meta_ads=meta_settings(account_ids=("424242", real))), sandbox)
    report = world.run(BY_AD, WEEK)
    (failed,) = report.failed
    assert failed.account.id == "424242"
    assert failed.error
    assert "account 424242: the credentials do not see this account" in failed.error
    assert [one.account.id for one in report.accounts if not one.error] == [real]
    assert_week_is_right(world, real)


def test_law_9_a_fault_of_our_own_in_one_account_does_not_sink_the_others(world: World) -> None:
    broken, *others = world.accounts()

    async def read(caller: Any, account: Any, stream: Any, window: Any) -> Any:
        if account.id == broken:
            raise KeyError("sandbox-token")
        async for page in META.read(caller, account, stream, window):
            yield page

    report = world.run(BY_AD, WEEK, source=replace(META, read=read))
    assert [failed.account.id for failed in report.failed] == [broken]
    assert report.failed[0].error
    assert "KeyError" in report.failed[0].error
    assert "sandbox-token" not in report.failed[0].error, "law 13"
    assert_week_is_right(world, *others)


# ------------------------------------------------------------------ law 6: odd pages and records


def test_law_6_rows_repeated_over_pages_are_stored_once_and_counted(world: World) -> None:
    world.sandbox.fault("duplicate_rows", endpoint="insights")
    report = fine(world.run(SMALL_PAGES, WEEK))
    assert report.counts.duplicate > 0
    assert report.counts.inserted == report.counts.read - report.counts.duplicate
    assert_week_is_right(world)


def test_law_6_an_empty_page_is_not_the_end(world: World) -> None:
    world.sandbox.fault("empty_page_with_next", endpoint="insights")
    fine(world.run(SMALL_PAGES, WEEK))
    assert int(str(world.sandbox.faults()[0]["fired"])) > 3
    assert_week_is_right(world)


def test_law_6_an_unknown_field_is_kept_in_extra_and_told_once(world: World) -> None:
    world.sandbox.fault("unknown_field", endpoint="insights")
    first = fine(world.run(BY_AD, WEEK))
    assert [name for one in first.accounts for name in one.unknown_fields] == ["field_of_tomorrow"]
    assert_week_is_right(world)
    extra = world.query("select distinct _extra from raw_meta_ads.insights_ad")
    assert extra == [{"_extra": {"field_of_tomorrow": {"value": "1"}}}]
    second = fine(world.run(BY_AD, WEEK))
    assert [name for one in second.accounts for name in one.unknown_fields] == []
    assert second.counts.unchanged == second.counts.read
    (notice,) = world.query("select * from dataflow.notices")
    assert (notice["connector"], notice["stream"]) == ("meta_ads", "insights_ad")
    assert "field_of_tomorrow" in notice["message"]


def test_law_6_a_bad_record_is_set_aside_with_its_reason_and_the_others_land(world: World) -> None:
    account = world.accounts()[0]
    expected = world.truth(BY_AD, account, WEEK)
    world.sandbox.fault("bad_row", account=account, endpoint="insights")
    for _ in range(2):
        report = fine(world.run(BY_AD, WEEK))
        assert only(report, account).counts.quarantined == report.counts.quarantined == 1
    (bad,) = world.query("select * from dataflow.quarantine")
    assert (bad["connector"], bad["stream"], bad["account_id"]) == ("meta_ads", "insights_ad", account)
    assert "$.spend" in bad["reason"]
    assert bad["last_seen_at"] > bad["quarantined_at"]
    payload = json.loads(bad["payload"])
    assert payload["spend"] == "n/a"
    spoiled = (date.fromisoformat(payload["date_start"]), account, payload["ad_id"])
    (ledger,) = world.query("select * from dataflow.sync_ledger where sync_id = %s", bad["sync_id"])
    assert ledger["rows_quarantined"] == 1
    assert_same(world.stored(BY_AD, account, WEEK), {key: row for key, row in expected.items() if key != spoiled})
    assert_week_is_right(world, *world.accounts()[1:])

    world.sandbox.clear_faults()
    report = fine(world.run(BY_AD, WEEK))
    assert only(report, account).touched_days == {spoiled[0]}
    assert_week_is_right(world)


def test_law_6_a_record_of_a_day_that_was_not_asked_for_is_set_aside(world: World) -> None:
    account = world.accounts()[0]

    async def generous(caller: Any, one: Any, stream: Any, window: Any) -> Any:
        wider = DayWindow(window.start - timedelta(days=1), window.end)
        async for page in META.read(caller, one, stream, wider):
            yield page

    report = fine(world.run(BY_AD, WEEK, source=replace(META, read=generous), only_accounts=(account,)))
    day_before = DayWindow(WEEK.start - timedelta(days=1), WEEK.start)
    outside = world.truth(BY_AD, account, day_before)
    assert report.counts.quarantined == len(outside) > 0
    assert world.stored(BY_AD, account, day_before) == {}
    reasons = world.query("select distinct reason from dataflow.quarantine")
    assert reasons == [{"reason": f"Report day outside the window asked for, {WEEK}"}]
    assert_week_is_right(world, account)


# ------------------------------------------------------------------ two readers at once


def overtaken(world: World, slow_window: DayWindow, quick_window: DayWindow) -> tuple[Any, Any]:
    """Reports of a reader who fetches first and publishes last, and of one who does both ten days later in between."""
    return slow_and_quick(
        world,
        lambda sync: sync.run(BY_AD, slow_window),
        lambda sync: sync.run(BY_AD, quick_window),
        between=lambda: world.sandbox.clock.advance(10 * 86_400),
        only_accounts=(world.accounts()[0],),
    )


def test_law_5_a_reading_that_a_newer_one_has_overtaken_is_not_published(world: World) -> None:
    account = world.accounts()[0]
    fresh = DayWindow(date(2026, 5, 12), date(2026, 5, 19))
    old = world.truth(BY_AD, account, fresh)
    late, soon = overtaken(world, fresh, fresh)
    new = world.truth(BY_AD, account, fresh)
    assert new != old
    assert_same(world.stored(BY_AD, account, fresh), new)
    fine(late)
    fine(soon)
    assert late.counts.written == 0
    assert only(late, account).touched_days == set()
    outcomes = world.query("select outcome from dataflow.sync_ledger order by recorded_at")
    assert [row["outcome"] for row in outcomes] == ["published", "superseded"]


def test_law_6_days_that_the_newer_reading_did_not_cover_are_not_lost(world: World) -> None:
    account = world.accounts()[0]
    whole = DayWindow(date(2026, 5, 12), date(2026, 5, 19))
    part = DayWindow(date(2026, 5, 18), date(2026, 5, 19))
    late, soon = overtaken(world, whole, part)
    fine(soon)
    fine(late)
    assert_same(world.stored(BY_AD, account, whole), world.truth(BY_AD, account, whole))
    mark = world.watermark(BY_AD, account)
    assert mark
    assert mark["complete_from"] == day_start(whole.start, ZoneInfo("Europe/Berlin"))


def test_secrets_reach_neither_reports_nor_the_ledger(world: World) -> None:
    secrets = ("sandbox-token", "sandbox-app-secret")

    async def read(caller: Any, account: Any, stream: Any, window: Any) -> Any:
        raise httpx.InvalidURL("https://x.example/?access_token=sandbox-token&appsecret_proof=0f9a")
        yield

    report = world.run(BY_AD, WEEK, source=replace(META, read=read))
    assert len(report.failed) == len(world.accounts())
    told = [failed.error or "" for failed in report.failed]
    told += [row["error"] for row in world.query("select error from dataflow.sync_ledger")]
    assert len(told) == 2 * len(world.accounts())
    assert not [text for text in told if any(secret in text for secret in (*secrets, "0f9a"))]
