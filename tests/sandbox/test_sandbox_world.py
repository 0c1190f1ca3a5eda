"""The world: what holds for its figures whatever vendor tells them."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from dataflow_assets.sandbox.meta_ads import ids
from dataflow_assets.sandbox.world import Account, Clock, Counts, Moment, World, WorldConfig
from dataflow_assets.sandbox.world.lifecycle import Status
from dataflow_assets.sandbox.world.performance import ad_day, total

CONFIG = WorldConfig(start=date(2026, 1, 1), days=120)
NOON = datetime(2026, 4, 20, 12, tzinfo=UTC)
COUNTS_NEVER_SHRINK = [name for name in Counts._fields if name.split("_")[0] in ("purchases", "value", "leads")]

TELL_EVERYTHING = """
import hashlib, sys
from datetime import UTC, date, datetime
from dataflow_assets.sandbox.core import TruthQuery
from dataflow_assets.sandbox.meta_ads.truth import STREAMS
from dataflow_assets.sandbox.server import Sandbox
from dataflow_assets.sandbox.world import Clock, WorldConfig
import msgspec
config = WorldConfig(start=date(2026, 1, 1), days=120, seed=int(sys.argv[1]))
sandbox = Sandbox(config, Clock(datetime(2026, 4, 20, 12, tzinfo=UTC)))
digest = hashlib.sha256()
for stream in sorted(STREAMS):
    for row in sandbox.vendors["meta_ads"].truth(stream, TruthQuery(windows=("7d_click", "1d_view"))):
        digest.update(msgspec.json.encode(row))
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def world() -> World:
    return World(CONFIG)


def accounts(world: World) -> tuple[Account, ...]:
    return world.accounts("meta_ads")


def at(account: Account, instant: datetime) -> Moment:
    return Moment.of(account, int(instant.timestamp()))


def of_day(world: World, account: Account, day: date, instant: datetime) -> Counts:
    number = day.toordinal()
    counts = total(world.delivered(world.ads_under(account), number, number, at(account, instant)))
    assert counts is not None
    return counts


def told_by_another_process(seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", TELL_EVERYTHING, str(seed)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_the_same_seed_tells_the_same_in_every_process_and_another_seed_does_not() -> None:
    first, second = told_by_another_process(7, "1"), told_by_another_process(7, "2")
    assert first == second
    assert len(first) == len(hashlib.sha256().hexdigest())
    assert told_by_another_process(8, "1") != first


def test_what_an_account_did_is_the_sum_of_its_campaigns_of_their_ad_sets_and_of_their_ads(world: World) -> None:
    first, last = CONFIG.start.toordinal(), NOON.date().toordinal()
    for account in accounts(world):
        moment = at(account, NOON)
        campaigns = list(world.campaigns(account))
        ad_sets = [ad_set for campaign in campaigns for ad_set in world.ad_sets(campaign)]
        ads = [ad for ad_set in ad_sets for ad in world.ads(ad_set)]
        whole = total(world.delivered(world.ads_under(account), first, last, moment))
        for parts in (campaigns, ad_sets, ads):
            sums = [total(world.delivered(world.ads_under(part), first, last, moment)) for part in parts]
            assert total(one for one in sums if one is not None) == whole


def test_results_of_a_day_are_found_until_its_28th_day_and_never_after(world: World) -> None:
    account = accounts(world)[0]
    day = date(2026, 2, 10)
    by_age = [of_day(world, account, day, NOON.replace(month=2, day=10) + timedelta(days=age)) for age in range(1, 90)]
    for earlier, later in pairwise(by_age):
        assert all(getattr(earlier, name) <= getattr(later, name) for name in COUNTS_NEVER_SHRINK)
    found = [counts.purchases_7d_click for counts in by_age]
    assert found[0] < found[2] < found[26]
    # Here the day is 27 days old: this is its 28th day.
    assert set(by_age[26:]) == {by_age[26]}


def test_some_result_somewhere_is_found_on_the_last_day_it_can_be(world: World) -> None:
    account = accounts(world)[1]
    grown = 0
    for number in range(30):
        day = date(2026, 1, 15) + timedelta(days=number)
        end = datetime(day.year, day.month, day.day, 20, tzinfo=UTC)
        before = of_day(world, account, day, end + timedelta(days=26))
        after = of_day(world, account, day, end + timedelta(days=27))
        grown += after.purchases_7d_click > before.purchases_7d_click
    assert grown > 3


def test_spend_is_corrected_downward_on_some_days_and_only_between_two_and_three_days_later(world: World) -> None:
    account = accounts(world)[0]
    corrected: list[int] = []
    for number in range(40):
        day = date(2026, 2, 1) + timedelta(days=number)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        spend = [of_day(world, account, day, noon + timedelta(days=age)).spend for age in range(1, 35)]
        assert spend[0] >= spend[1] >= spend[2]
        assert set(spend[2:]) == {spend[2]}
        corrected += [age for age in (2, 3) if spend[age - 1] < spend[age - 2]]
    assert set(corrected) == {2, 3}
    assert 2 < len(corrected) < 25


def test_a_new_day_changes_only_some_of_the_28_days_before_it(world: World) -> None:
    account = accounts(world)[0]
    days = [NOON.date() - timedelta(days=age) for age in range(1, 29)]
    before = [of_day(world, account, day, NOON) for day in days]
    after = [of_day(world, account, day, NOON + timedelta(days=1)) for day in days]
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    assert 3 <= changed <= 8


def test_today_grows_in_steps_of_a_quarter_of_an_hour(world: World) -> None:
    account = accounts(world)[0]
    quarter = datetime(2026, 4, 20, 9, 15, tzinfo=UTC)
    seen = [
        of_day(world, account, quarter.date(), quarter + timedelta(minutes=minutes)) for minutes in (-1, 0, 14, 15, 600)
    ]
    assert seen[0].impressions < seen[1].impressions
    assert seen[1] == seen[2]
    assert seen[2].impressions < seen[3].impressions < seen[4].impressions
    assert seen[0].spend < seen[4].spend


def test_a_day_is_the_accounts_own(world: World) -> None:
    evening = datetime(2026, 4, 20, 22, 30, tzinfo=UTC)
    today = {account.market.zone: at(account, evening).date for account in accounts(world)}
    assert today == {
        "Europe/Berlin": date(2026, 4, 21),
        "America/Los_Angeles": date(2026, 4, 20),
        "Asia/Tokyo": date(2026, 4, 21),
        "Pacific/Auckland": date(2026, 4, 21),
    }


@pytest.mark.parametrize(("day", "quarters"), [((2026, 3, 29), 92), ((2026, 4, 20), 96), ((2026, 10, 25), 100)])
def test_a_day_on_which_the_clocks_change_has_its_own_length(
    world: World, day: tuple[int, int, int], quarters: int
) -> None:
    berlin = accounts(world)[0]
    last_minute = datetime(*day, 21, 50, tzinfo=UTC)
    assert at(berlin, last_minute).quarters_of_day == quarters


def test_the_smallest_world_shows_every_story(world: World) -> None:
    end = int((NOON + timedelta(days=30)).timestamp())
    for account in accounts(world):
        campaigns = list(world.campaigns(account))
        last = [campaign.life.at(end) for campaign in campaigns]
        assert {state.status for state in last if state} == set(Status)
        assert any(len({state.name for state in campaign.life.states}) > 1 for campaign in campaigns)
        assert any(len({state.daily_budget for state in campaign.life.states}) > 1 for campaign in campaigns)
        assert any(campaign.life.end_day is not None for campaign in campaigns)
        late = [campaign for campaign in campaigns if campaign.life.created > int(NOON.timestamp()) - 80 * 86_400]
        assert late
        living = [
            campaign for campaign, state in zip(campaigns, last, strict=True) if state and state.status == "ACTIVE"
        ]
        ends = {ad.life.states[-1].status for campaign in living for ad in world.ads_under(campaign)}
        assert Status.DELETED in ends


def test_nothing_delivers_before_it_exists_nor_outside_what_it_lives_in(world: World) -> None:
    for account in accounts(world):
        for ad in world.ads_under(account):
            campaign = ad.ad_set.campaign
            assert campaign.life.created < ad.ad_set.life.created < ad.life.created
            for begin, end in ad.life.spans:
                assert account.local(ad.life.created).date().toordinal() < begin < end
                assert any(a <= begin and end <= b for a, b in campaign.life.spans)


def test_some_days_bring_nothing_and_some_cost_nothing(world: World) -> None:
    account = accounts(world)[0]
    moment = at(account, NOON)
    days = [
        ad_day(ad, day, moment)
        for ad in world.ads_under(account)
        for begin, end in ad.life.spans
        for day in range(begin, min(end, moment.today))
    ]
    nothing = sum(counts is None for counts in days)
    free = sum(counts is not None and counts.spend == 0 and counts.impressions > 0 for counts in days)
    assert len(days) * 0.03 < nothing < len(days) * 0.08
    assert 0 < free < len(days) * 0.05


def test_wider_windows_hold_narrower_ones(world: World) -> None:
    for account in accounts(world):
        for counts in world.delivered(world.ads_under(account), 0, NOON.date().toordinal(), at(account, NOON)):
            assert counts.purchases_1d_click <= counts.purchases_7d_click <= counts.purchases_28d_click
            assert counts.leads_1d_click <= counts.leads_7d_click <= counts.leads_28d_click
            assert counts.link_clicks <= counts.clicks <= counts.impressions
            assert 1 <= counts.people <= counts.impressions


def test_ids_lead_back_to_what_they_name_and_are_beyond_what_a_double_holds() -> None:
    world = World(WorldConfig(meta_accounts=11, campaigns_per_account=3, ads_per_ad_set=2))
    seen = set()
    for account in accounts(world):
        assert ids.account_of(world, ids.account_id(account)) is account
        for ad in world.ads_under(account):
            for node, name in (
                (ad, ids.ad_id(ad)),
                (ad.ad_set, ids.ad_set_id(ad.ad_set)),
                (ad.ad_set.campaign, ids.campaign_id(ad.ad_set.campaign)),
            ):
                assert ids.entity_of(world, name) is node
                assert int(name) > 2**53
                seen.add(name)
    assert len(seen) == 11 * (3 + 3 * 2 + 3 * 2 * 2)


@pytest.mark.parametrize("text", ["", "act_1", "12021", "120210000000040000", "120290000000010101", "\uff11\uff12"])
def test_an_id_that_names_nothing_leads_nowhere(text: str) -> None:
    world = World(WorldConfig(campaigns_per_account=3))
    assert ids.entity_of(world, text) is None
    assert ids.account_of(world, text) is None


def test_a_world_too_big_for_its_ids_is_refused() -> None:
    with pytest.raises(ValueError, match="ads_per_ad_set must lie between 1 and 99, not 100"):
        WorldConfig(ads_per_ad_set=100)


class Wall:
    """Real time, as the test wants it."""

    def __init__(self) -> None:
        self.seconds = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_frozen_clock_stands_and_a_running_one_runs() -> None:
    wall = Wall()
    clock = Clock(NOON, wall=wall)
    wall.seconds += 60
    assert clock.now() == NOON
    clock.run(10)
    wall.seconds += 6
    assert clock.now() == NOON + timedelta(seconds=60)
    clock.advance(3_600)
    assert clock.now() == NOON + timedelta(seconds=3_660)
    clock.run(0)
    wall.seconds += 60
    assert clock.now() == NOON + timedelta(seconds=3_660)


def test_a_resumed_clock_has_gone_on_running() -> None:
    wall = Wall()
    reading = Clock(NOON, speed=2, wall=wall).reading
    wall.seconds += 30
    assert Clock.resumed(reading, wall=wall).now() == NOON + timedelta(seconds=60)


def test_limiters_forgive_with_real_time_while_the_world_stands_still_and_with_world_time_when_it_moves() -> None:
    wall = Wall()
    clock = Clock(NOON, wall=wall)
    start = clock.limiter_seconds()
    wall.seconds += 5
    assert clock.limiter_seconds() == start + 5
    clock.advance(100)
    assert clock.limiter_seconds() == start + 105
    clock.set(NOON - timedelta(days=1))
    assert clock.limiter_seconds() == start + 105
    clock.run(1)
    wall.seconds += 5
    assert clock.limiter_seconds() == start + 110


def test_a_clock_refuses_an_instant_without_a_zone_and_a_negative_speed() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        Clock(NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="does not run backward"):
        Clock(NOON).run(-1)
