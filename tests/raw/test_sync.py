"""Report streams from the sandbox to the table: the table is what the vendor reports, whatever has been read before."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import msgspec
import pytest
from raw_support import (
    BY_AD,
    BY_CAMPAIGN,
    META,
    Rows,
    World,
    assert_same,
    days_that_differ,
    fine,
    meta_settings,
    only,
    reading,
)

from dataflow_assets.connectors.base import Account, Kind, Page, Stream, Window
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.watermarks import StreamId
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import ONE_DAY, DayWindow, day_start

HISTORY = 90
LOOKBACK = 28
NAMES = ("campaign_name", "adset_name", "ad_name")  # as on the day of reading: older readings keep older names
WHOLE_YEAR = DayWindow(date(2026, 1, 1), date(2027, 1, 1))


def history(world: World, account: str, days: int = HISTORY) -> DayWindow:
    """The last complete days of an account."""
    today = world.today(account)
    return DayWindow(today - timedelta(days=days), today)


@pytest.mark.parametrize("stream", META.streams, ids=lambda stream: stream.name)
def test_a_first_sync_stores_exactly_what_the_vendor_holds(world: World, stream: Stream) -> None:
    fine(world.run(stream))
    for account in world.accounts():
        window = history(world, account) if stream.kind is Kind.REPORT else None
        expected = world.truth(stream, account, window)
        assert expected
        assert_same(world.stored(stream, account), expected)


def test_the_accounts_stand_in_different_days_and_each_is_read_to_its_own_midnight(world: World) -> None:
    fine(world.run(BY_CAMPAIGN))
    zones = {row["account_id"]: row["timezone_name"] for row in world.sandbox.truth("meta_ads", "ad_accounts")}
    marks = {zones[account]: world.watermark(BY_CAMPAIGN, account) for account in world.accounts()}
    assert {zone: mark["watermark"] for zone, mark in marks.items() if mark} == {
        "Europe/Berlin": datetime(2026, 5, 19, 22, tzinfo=UTC),
        "America/Los_Angeles": datetime(2026, 5, 20, 7, tzinfo=UTC),
        "Asia/Tokyo": datetime(2026, 5, 19, 15, tzinfo=UTC),
    }
    assert {mark["settled_through"] for mark in marks.values() if mark} == {date(2026, 4, 21)}


def test_law_5_a_sync_that_finds_nothing_new_rewrites_nothing(world: World) -> None:
    fine(world.run(BY_AD))
    before = versions(world)
    again = fine(world.run(BY_AD))
    assert again.counts.read > 0
    assert again.counts.unchanged == again.counts.read
    assert again.counts.written == 0
    assert [one.touched_days for one in again.accounts] == [set()] * len(again.accounts)
    assert versions(world) == before


def test_law_5_a_reading_right_after_another_is_published_too(world: World) -> None:
    # The vendor tells its time in whole seconds: within one, readings have no order and the later to publish wins.
    async def twice() -> list[StreamReport]:
        reports = []
        for _ in range(2):
            async with world.open() as sync:
                reports.append(await sync.run(BY_CAMPAIGN, DayWindow(date(2026, 5, 1), date(2026, 5, 8))))
        return reports

    first, second = asyncio.run(twice())
    assert first.counts.inserted == second.counts.unchanged > 0
    assert world.query("select distinct outcome from dataflow.sync_ledger") == [{"outcome": "published"}]


def versions(world: World) -> list[dict[str, object]]:
    """Where each row's newest version lies in the file: another place means it was written again."""
    return world.query("select date_start, ad_id, ctid::text, _sync_id from raw_meta_ads.insights_ad order by 1, 2")


@pytest.fixture
def small_stories(make_platform: Callable[..., Platform]) -> Iterator[World]:
    """Accounts west and east of UTC with one ad of every story."""
    config = WorldConfig(meta_accounts=2, campaigns_per_account=6, ad_sets_per_campaign=1, ads_per_ad_set=1)
    with run_sandbox(config, now=datetime(2026, 2, 10, 3, tzinfo=UTC)) as running:
        yield World(make_platform(running.url, meta_ads=meta_settings(initial_history_days=30)), running)


def test_law_5_day_after_day_the_table_equals_the_vendor_and_the_touched_days_are_those_that_changed(
    small_stories: World,
) -> None:
    world, chance = small_stories, Random(5)  # noqa: S311  a reproducible walk
    # Most nights; one sync an hour after another; outages shorter and longer than the vendor's 28 days of changes.
    steps = [timedelta(days=1)] * 16 + [timedelta(hours=1), timedelta(days=4), timedelta(days=17), timedelta(days=45)]
    chance.shuffle(steps)
    tables: dict[str, Rows] = {account: {} for account in world.accounts()}
    first = {account: world.today(account) - timedelta(days=30) for account in world.accounts()}
    fine(world.run(BY_AD))
    for number, step in enumerate([timedelta(0), *steps]):
        world.sandbox.clock.advance(step.total_seconds())
        report = fine(world.run(BY_AD))
        for account, before in tables.items():
            ours = only(report, account)
            after = world.stored(BY_AD, account)
            # All of it after an outage and now and then; what was read always.
            if step > timedelta(days=1) or number % 6 == 0:
                everything = DayWindow(first[account], world.today(account))
                assert_same(after, world.truth(BY_AD, account, everything), ignoring=NAMES)
            for window in ours.windows:
                assert_same(world.stored(BY_AD, account, window), world.truth(BY_AD, account, window))
            if before:
                assert ours.touched_days == days_that_differ(before, after)
                # Days of an outage are new, and what changed while it lasted is not missed.
                assert (step < timedelta(days=1)) or len(ours.touched_days) >= step.days
            tables[account] = after
            mark = world.watermark(BY_AD, account)
            assert mark
            assert mark["settled_through"] == world.today(account) - timedelta(days=LOOKBACK + 1)
    # Settled means settled: whatever the vendor still changed later was of days after these.
    settled = {account: world.watermark(BY_AD, account) for account in tables}
    world.sandbox.clock.advance(timedelta(days=60).total_seconds())
    for account, mark in settled.items():
        assert mark
        final = DayWindow(first[account], mark["settled_through"] + ONE_DAY)
        assert_same(world.stored(BY_AD, account, final), world.truth(BY_AD, account, final), ignoring=NAMES)


def test_law_3_a_watermark_is_the_end_of_what_was_fetched_and_says_where_it_began(world: World) -> None:
    fine(world.run(BY_CAMPAIGN))
    for account in world.accounts():
        (row,) = world.sandbox.truth("meta_ads", "ad_accounts", account=account)
        zone, today, mark = ZoneInfo(row["timezone_name"]), world.today(account), world.watermark(BY_CAMPAIGN, account)
        assert mark
        assert mark["watermark"] == day_start(today, zone)
        assert mark["complete_from"] == day_start(today - timedelta(days=HISTORY), zone)


def test_law_3_a_backfill_of_old_days_leaves_the_watermark(world: World) -> None:
    fine(world.run(BY_CAMPAIGN))
    before = {account: world.watermark(BY_CAMPAIGN, account) for account in world.accounts()}
    january = DayWindow(date(2026, 1, 5), date(2026, 2, 3))
    report = fine(world.run(BY_CAMPAIGN, january))
    assert report.counts.inserted > 0
    for account, mark in before.items():
        now = world.watermark(BY_CAMPAIGN, account)
        assert mark
        assert now
        for name in ("watermark", "complete_from", "settled_through"):
            assert now[name] == mark[name], name
        assert_same(world.stored(BY_CAMPAIGN, account, january), world.truth(BY_CAMPAIGN, account, january))


def test_law_3_a_backfill_that_reaches_the_known_stretch_makes_it_longer_at_the_old_end_only(world: World) -> None:
    fine(world.run(BY_CAMPAIGN))
    account = world.accounts()[0]
    before = world.watermark(BY_CAMPAIGN, account)
    fine(world.run(BY_CAMPAIGN, DayWindow(date(2026, 2, 4), date(2026, 3, 1))))
    after = world.watermark(BY_CAMPAIGN, account)
    assert before
    assert after
    assert after["watermark"] == before["watermark"]
    assert after["complete_from"] == datetime(2026, 2, 3, 23, tzinfo=UTC)


def test_law_3_an_intraday_run_replaces_the_running_day_and_leaves_the_watermark(world: World) -> None:
    fine(world.run(BY_CAMPAIGN))
    account = world.accounts()[0]
    before = world.watermark(BY_CAMPAIGN, account)
    running = DayWindow(world.today(account), world.today(account) + ONE_DAY)
    seen = []
    for _ in range(3):
        world.sandbox.clock.advance(2 * 3600)
        report = fine(world.run(BY_CAMPAIGN, running, only_accounts=(account,)))
        assert only(report, account).touched_days == {running.start}
        found = world.stored(BY_CAMPAIGN, account, running)
        assert_same(found, world.truth(BY_CAMPAIGN, account, running))
        seen.append(sum(row["impressions"] for row in found.values()))
    assert seen == sorted(set(seen)), "The day grows, and is replaced, not added to."
    assert world.watermark(BY_CAMPAIGN, account) == before


def test_law_3_an_intraday_run_before_the_first_sync_claims_nothing(world: World) -> None:
    account = world.accounts()[0]
    running = DayWindow(world.today(account), world.today(account) + ONE_DAY)
    fine(world.run(BY_CAMPAIGN, running, only_accounts=(account,)))
    assert world.watermark(BY_CAMPAIGN, account) is None


def test_law_5_the_night_after_an_intraday_run_the_day_is_read_again_and_whole(world: World) -> None:
    fine(world.run(BY_CAMPAIGN))
    account = world.accounts()[0]
    day = world.today(account)
    fine(world.run(BY_CAMPAIGN, DayWindow(day, day + ONE_DAY), only_accounts=(account,)))
    world.sandbox.clock.advance(timedelta(days=1).total_seconds())
    report = fine(world.run(BY_CAMPAIGN))
    assert day in only(report, account).touched_days
    only_day = DayWindow(day, day + ONE_DAY)
    assert_same(world.stored(BY_CAMPAIGN, account, only_day), world.truth(BY_CAMPAIGN, account, only_day))


def test_days_that_have_not_begun_or_are_past_retention_are_left_out_with_a_note(world: World) -> None:
    account = world.accounts()[0]
    notes: list[str] = []
    report = fine(world.run(BY_CAMPAIGN, WHOLE_YEAR, only_accounts=(account,), on_note=notes.append))
    (note,) = notes
    assert account in note
    assert "2026-01-01...2026-05-20" in note
    assert "Europe/Berlin" in note
    read = [window for window in only(report, account).windows if isinstance(window, DayWindow)]
    assert (read[0].start, read[-1].end) == (WHOLE_YEAR.start, world.today(account) + ONE_DAY)
    assert_same(world.stored(BY_CAMPAIGN, account), world.truth(BY_CAMPAIGN, account))


def test_a_window_wholly_in_the_future_asks_nothing_and_says_so(world: World) -> None:
    account = world.accounts()[0]
    notes: list[str] = []
    window = DayWindow(date(2026, 6, 1), date(2026, 6, 3))
    report = fine(world.run(BY_CAMPAIGN, window, only_accounts=(account,), on_note=notes.append))
    assert len(notes) == 1
    assert "nothing" in notes[0]
    assert (report.tally.requests, report.counts.read) == (1, 0)  # the listing of accounts
    assert world.watermark(BY_CAMPAIGN, account) is None


def test_law_4_rows_that_vanish_at_the_vendor_vanish_from_the_table(stories: World) -> None:
    # Without the filter Meta leaves deleted ads out of the level: their rows vanish from every day on deletion.
    forgetful = replace(BY_AD, params={"level": "ad"})
    (account,) = stories.accounts()
    vanished = 0
    for _ in range(4):
        stories.sandbox.clock.advance(timedelta(days=30).total_seconds())
        before = stories.stored(BY_AD, account)
        everything = DayWindow(date(2026, 1, 1), stories.today(account))
        report = fine(stories.run(forgetful, everything))
        after = stories.stored(BY_AD, account)
        assert_same(after, stories.truth(BY_AD, account, everything, deleted=False))
        assert only(report, account).touched_days == days_that_differ(before, after)
        assert report.counts.deleted == len(before.keys() - after.keys())
        vanished += report.counts.deleted
    assert vanished > 0


def test_law_4_a_day_from_which_a_row_only_vanished_is_a_touched_day(world: World) -> None:
    account, window = world.accounts()[0], DayWindow(date(2026, 4, 1), date(2026, 4, 15))
    fine(world.run(BY_AD, window, only_accounts=(account,)))
    before = world.stored(BY_AD, account)
    gone = max(key[-1] for key in before)

    async def without_one_ad(caller: Caller, one: Account, stream: Stream, days: Window) -> AsyncIterator[Page]:
        async for page in META.read(caller, one, stream, days):
            kept = [record for record in json.loads(bytes(page.records)) if record["ad_id"] != gone]
            yield Page(msgspec.Raw(json.dumps(kept).encode()))

    report = fine(world.run(BY_AD, window, source=reading(META, without_one_ad), only_accounts=(account,)))
    lost = {key for key in before if key[-1] == gone}
    assert report.counts.written == report.counts.deleted == len(lost) > 0
    assert only(report, account).touched_days == {key[0] for key in lost}
    assert world.stored(BY_AD, account) == {key: row for key, row in before.items() if key not in lost}


def test_a_slice_touches_no_row_of_other_accounts_and_other_days(world: World) -> None:
    fine(world.run(BY_AD))
    world.query("update raw_meta_ads.insights_ad set impressions = impressions + 1 returning 1")
    account, window = world.accounts()[1], DayWindow(date(2026, 5, 10), date(2026, 5, 14))
    before = versions(world)
    fine(world.run(BY_AD, window, only_accounts=(account,)))
    moved = world.query(
        "select distinct date_start, _account_id from raw_meta_ads.insights_ad where not ctid::text = any(%s)",
        [row["ctid"] for row in before],
    )
    assert {(row["date_start"], row["_account_id"]) for row in moved} == {(day, account) for day in window.days}


def published(world: World, account: str) -> list[DayWindow]:
    """Windows of the ledger's published slices, in order of their end."""
    rows = world.query(
        "select window_start, window_end from dataflow.sync_ledger"
        " where (account_id, outcome) = (%s, 'published') order by recorded_at",
        account,
    )
    return [DayWindow(row["window_start"], row["window_end"]) for row in rows]


def test_law_2_a_failed_slice_costs_no_slice_before_it_and_the_rerun_starts_there(world: World) -> None:
    account = world.accounts()[0]
    weekly, window = replace(BY_CAMPAIGN, slice_days=7), DayWindow(date(2026, 3, 1), date(2026, 5, 1))
    world.sandbox.fault("revoked_account", account=account, endpoint="insights", after=3, times=1)
    report = world.run(weekly, window, only_accounts=(account,))
    assert len(report.failed) == 1
    done = DayWindow(date(2026, 3, 1), date(2026, 3, 22))
    assert report.accounts[0].windows == list(done.slices(7))
    assert_same(world.stored(BY_CAMPAIGN, account), world.truth(BY_CAMPAIGN, account, done))
    mark = world.watermark(BY_CAMPAIGN, account)
    assert mark
    assert mark["watermark"] == day_start(done.end, ZoneInfo("Europe/Berlin"))
    again = fine(world.run(weekly, window, only_accounts=(account,)))
    assert again.accounts[0].windows == list(DayWindow(done.end, window.end).slices(7))
    assert published(world, account) == list(window.slices(7))
    assert_same(world.stored(BY_CAMPAIGN, account), world.truth(BY_CAMPAIGN, account, window))


@pytest.mark.parametrize("slices_before", [1, 3, 6])
def test_law_2_an_interrupted_first_run_goes_on_where_it_stopped(world: World, slices_before: int) -> None:
    account = world.accounts()[0]
    weekly = replace(BY_CAMPAIGN, slice_days=7)
    world.sandbox.fault("revoked_account", account=account, endpoint="insights", after=slices_before, times=1)
    assert len(world.run(weekly, only_accounts=(account,)).failed) == 1
    fine(world.run(weekly, only_accounts=(account,)))
    assert published(world, account) == list(history(world, account).slices(7)), "Nothing twice, nothing older."


def test_redis_has_a_copy_of_every_watermark_and_losing_it_loses_nothing(world: World) -> None:
    fine(world.run(BY_CAMPAIGN))
    fine(world.run(META.stream("campaigns")))
    assert mirrored(world) == known(world) != {}
    with world.platform.redis() as client:
        client.flushall()
    world.sandbox.clock.advance(timedelta(days=1).total_seconds())
    before = known(world)
    report = fine(world.run(BY_CAMPAIGN))
    # It went on from the watermark, not from the beginning, and the copy is back.
    assert all(
        one.before
        and before[StreamId("meta_ads", one.account.id, "insights_campaign").redis_key]
        == one.before.instant.isoformat()
        for one in report.accounts
    )
    for one in report.accounts:
        assert one.windows == [
            DayWindow(world.today(one.account.id) - timedelta(days=LOOKBACK + 1), world.today(one.account.id))
        ]
        key = StreamId("meta_ads", one.account.id, "insights_campaign").redis_key
        assert mirrored(world)[key] == known(world)[key] > before[key]


def test_a_sync_works_while_redis_is_away(make_platform: Callable[..., Platform], world: World) -> None:
    away = replace(world.platform, redis_url="redis://127.0.0.1:1/0")
    report = fine(World(away, world.sandbox).run(BY_CAMPAIGN))
    for one in report.accounts:
        window = history(world, one.account.id)
        assert_same(world.stored(BY_CAMPAIGN, one.account.id), world.truth(BY_CAMPAIGN, one.account.id, window))


def mirrored(world: World) -> dict[str, str]:
    """The copies in Redis, as instants."""
    with world.platform.redis() as client:
        keys = client.keys("sync:watermark:*")
        found = {key.decode(): client.get(key) for key in keys}  # type: ignore[union-attr]
    return {key: datetime.fromisoformat(value.decode()).astimezone(UTC).isoformat() for key, value in found.items()}


def known(world: World) -> dict[str, str]:
    """The watermarks in PostgreSQL, by the name of their copy."""
    rows = world.query("select connector, account_id, stream, watermark from dataflow.watermarks")
    return {
        StreamId(row["connector"], row["account_id"], row["stream"]).redis_key: row["watermark"]
        .astimezone(UTC)
        .isoformat()
        for row in rows
    }
