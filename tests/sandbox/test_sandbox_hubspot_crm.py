"""The CRM of the world: how its records live, end and belong together, whatever vendor tells them."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.world import World, WorldConfig
from dataflow_assets.sandbox.world.crm import Cause, DealState, End, Kind, Lifecycle, Portal, Record, linked
from dataflow_assets.sandbox.world.crm.histories import LEAVING, leaves_at
from dataflow_assets.sandbox.world.customers import Customer, Stage

DAY = 86_400_000
NOW = int(datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()) * 1_000


@pytest.fixture(scope="module")
def portal() -> Portal:
    return Portal(World(WorldConfig()), 0)


def everything(portal: Portal, kind: Kind) -> list[Record]:
    return [record for record in portal.records(kind, NOW) if record.begins <= NOW]


def customer(record: Record) -> Customer:
    assert isinstance(record.subject, Customer)
    return record.subject


def test_every_person_has_a_contact_from_the_second_they_arrive(portal: Portal) -> None:
    people = list(portal.world.customers(NOW // 1_000))
    contacts = [record for record in everything(portal, Kind.CONTACT) if record.copy == 0]
    assert [record.number for record in contacts] == [one.number for one in people]
    assert [record.created // 1_000 for record in contacts] == [one.arrived for one in people]
    assert len({record.created % 1_000 for record in contacts}) > 300


@pytest.mark.parametrize("kind", list(Kind))
def test_states_follow_each_other_and_stop_at_the_end(portal: Portal, kind: Kind) -> None:
    for record in everything(portal, kind):
        assert all(before.at <= after.at for before, after in pairwise(record.states))
        assert record.at(record.begins - 1) is None
        assert record.at(record.states[-1].at) == record.states[-1]
        if record.ending is not None:
            assert record.states[-1].at < record.ending.at
            assert record.is_live(record.ending.at - 1)
            assert not record.is_live(record.ending.at)


def test_lifecycles_only_go_forward(portal: Portal) -> None:
    order = list(Lifecycle)
    for record in everything(portal, Kind.CONTACT):
        stages = [order.index(state.lifecycle) for state in record.states]  # type: ignore[union-attr]
        assert stages == sorted(stages)


def test_a_deal_goes_through_its_stages_as_it_was_sold(portal: Portal) -> None:
    deals = [record for record in everything(portal, Kind.DEAL) if record.copy == 0 and record.ending is None]
    assert len(deals) > 150
    for record in deals:
        deal = customer(record).deal
        assert deal is not None
        entered: dict[Stage, int] = {}
        for state in record.states:
            assert isinstance(state, DealState)
            entered.setdefault(state.stage, state.at // 1_000)
        assert tuple((at, stage) for stage, at in entered.items()) == deal.steps


def test_some_won_deals_get_another_amount_exactly_40_days_later_and_some_another_end(portal: Portal) -> None:
    corrected = dated_back = 0
    for record in everything(portal, Kind.DEAL):
        states = [state for state in record.states if isinstance(state, DealState)]
        won = next((state for state in states if state.stage is Stage.WON), None)
        if won is None or record.copy == 2:
            continue
        assert won.closes == won.at
        later = [state for state in states if state.at > won.at]
        amounts = {state.at: state.amount for state in later if state.amount != won.amount}
        corrected += bool(amounts)
        assert not amounts or min(amounts) == won.at + 40 * DAY
        dated_back += any(state.closes is not None and state.closes < won.at for state in later)
    assert corrected >= 5
    assert dated_back >= 2


def test_a_deal_entered_twice_becomes_a_third_with_the_history_of_the_first(portal: Portal) -> None:
    merged = [record for record in everything(portal, Kind.DEAL) if record.copy == 2]
    assert len(merged) >= 5
    for record in merged:
        first, twin, _ = portal.of(Kind.DEAL, record.number)
        assert first.ending == twin.ending
        assert first.ending is not None
        assert (first.ending.how, first.ending.into, first.ending.at) == (End.MERGED, 2, record.begins)
        assert record.created == first.created < twin.created < record.begins
        assert [state for state in record.states if state.at < record.begins] == list(first.states)
        assert next(state for state in record.states if state.at == record.begins).cause is Cause.MERGE


def test_records_end_in_every_way(portal: Portal) -> None:
    ways = {kind: Counter(record.ending.how for record in everything(portal, kind) if record.ending) for kind in Kind}
    assert ways[Kind.CONTACT].keys() == {End.ARCHIVED, End.ERASED, End.MERGED}
    assert ways[Kind.COMPANY].keys() == {End.ARCHIVED}
    assert ways[Kind.DEAL].keys() == {End.ARCHIVED, End.MERGED}
    assert min(min(counts.values()) for counts in ways.values()) >= 5


def test_who_pays_is_never_thrown_away(portal: Portal) -> None:
    for record in everything(portal, Kind.CONTACT):
        if record.ending and record.ending.how is not End.MERGED:
            assert customer(record).pays_from is None


def test_a_job_touches_hundreds_in_one_millisecond_and_changes_nothing_else(portal: Portal) -> None:
    first_of_march = int(datetime(2026, 3, 1, 3, tzinfo=UTC).timestamp()) * 1_000
    touched = 0
    for record in everything(portal, Kind.CONTACT):
        for before, after in pairwise(record.states):
            if after.at == first_of_march:
                touched += 1
                assert after.cause is Cause.UPKEEP
                assert (after.owner, after.lifecycle) == (before.owner, before.lifecycle)  # type: ignore[union-attr]
    assert touched > 80


def test_nothing_new_goes_to_who_has_left_and_what_was_theirs_stays(portal: Portal) -> None:
    left = leaves_at(portal.config)
    theirs = [record for record in everything(portal, Kind.DEAL) if record.states[0].owner == LEAVING]
    assert max(record.states[0].at for record in theirs) < left
    assert len(theirs) > 10
    assert all(state.owner == LEAVING for record in theirs for state in record.states)
    assert any(state.at > left for record in theirs for state in record.states)


def test_links_join_only_live_records_and_look_the_same_from_both_ends(portal: Portal) -> None:
    for instant in (NOW, NOW - 45 * DAY):
        for kind, other in ((Kind.DEAL, Kind.CONTACT), (Kind.DEAL, Kind.COMPANY), (Kind.CONTACT, Kind.COMPANY)):
            there, back = set(), set()
            for record in portal.records(kind, instant):
                for link in linked(portal, record, other, instant):
                    assert record.is_live(instant)
                    assert link.to.is_live(instant)
                    there.add((record.key, link.to.key, link.roles))
            for record in portal.records(other, instant):
                back |= {(link.to.key, record.key, link.roles) for link in linked(portal, record, kind, instant)}
            assert there == back
            assert len(there) > 50


def test_a_link_can_come_without_a_change_of_what_it_joins(portal: Portal) -> None:
    quiet = 0
    for record in everything(portal, Kind.CONTACT):
        for link in linked(portal, record, Kind.COMPANY, NOW):
            quiet += all(state.at != link.since for state in (*record.states, *link.to.states))
    assert quiet > 5


def test_portals_share_out_the_people_and_each_has_the_companies_of_its_own() -> None:
    world = World(WorldConfig(hubspot_portals=2))
    whole = Portal(World(WorldConfig()), 0)
    portals = [Portal(world, index) for index in range(2)]
    numbers = [{record.number for record in everything(portal, Kind.CONTACT)} for portal in portals]
    assert numbers[0] | numbers[1] == {record.number for record in everything(whole, Kind.CONTACT)}
    assert not numbers[0] & numbers[1]
    for portal, people in zip(portals, numbers, strict=True):
        companies = {record.number for record in everything(portal, Kind.COMPANY)}
        assert companies == {world.customer(number).company.number for number in people}
    both = {record.number for record in everything(portals[0], Kind.COMPANY)} & {
        record.number for record in everything(portals[1], Kind.COMPANY)
    }
    assert both
    number = min(both)
    assert len({ids.id_of(portal, portal.of(Kind.COMPANY, number)[0]) for portal in portals}) == 2


@pytest.mark.parametrize("kind", list(Kind))
def test_ids_lead_back_are_beyond_32_bits_and_have_two_lengths(kind: Kind) -> None:
    for index in range(3):
        portal = Portal(World(WorldConfig(hubspot_portals=3)), index)
        names = []
        for record in everything(portal, kind):
            name = ids.id_of(portal, record)
            names.append(name)
            found = ids.record_of(portal, kind, name)
            assert found is not None
            assert found.key == record.key
            assert int(name) > 2**36
            assert ids.record_of(portal, kind, str(int(name) + 1)) is None
        assert names == sorted(names, key=int)
        assert {len(name) for name in names} == {11, 12}


@pytest.mark.parametrize("text", ["", "0", "-1", "95000000038", "1e12", "\uff19\uff16000000011", "9" * 5_000])
def test_an_id_that_names_nothing_leads_nowhere(portal: Portal, text: str) -> None:
    assert [ids.record_of(portal, kind, text) for kind in Kind] == [None, None, None]


def test_a_number_of_nobody_has_no_records(portal: Portal) -> None:
    assert [portal.of(kind, number) for kind in Kind for number in (-1, 999, 10**9)] == [()] * 9
