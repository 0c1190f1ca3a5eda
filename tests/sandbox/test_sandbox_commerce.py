"""What is paid in the world: laws that hold for every customer of every world, whoever tells of them."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_assets.sandbox.world import World, WorldConfig
from dataflow_assets.sandbox.world.commerce import Commerce, Seller, Timeline
from dataflow_assets.sandbox.world.commerce.events import KIND_OF_TYPE, unpack
from dataflow_assets.sandbox.world.commerce.ledger import available_on, movements
from dataflow_assets.sandbox.world.commerce.money import card_fee, dispute_fee, settled
from dataflow_assets.sandbox.world.commerce.records import (
    NEVER,
    LineKind,
    Reason,
    Source,
    amount_due,
    balance_after,
    end_of,
    instant_of,
)
from dataflow_assets.sandbox.world.commerce.run import Run, add_months
from dataflow_assets.sandbox.world.commerce.subscribing import live
from dataflow_assets.sandbox.world.customers import DAY_SECONDS

START = date(2026, 1, 1)
FOREVER = NEVER - 1
ALLOWED = {
    "incomplete": {"active", "incomplete_expired", "canceled"},
    "trialing": {"active", "canceled"},
    "active": {"past_due", "canceled"},
    "past_due": {"active", "unpaid", "canceled"},
    "unpaid": {"active", "canceled"},
    "incomplete_expired": set(),
    "canceled": set(),
}

Told = tuple[Seller, Timeline]


def told(seed: int, accounts: int, days: int) -> Iterator[Told]:
    """Everybody who pays in a small world, some days after its start."""
    commerce = Commerce(World(WorldConfig(start=START, seed=seed, stripe_accounts=accounts, customers_per_day=1)))
    instant = int(datetime(START.year, START.month, START.day, tzinfo=UTC).timestamp()) + days * DAY_SECONDS
    for seller in commerce.sellers:
        for timeline in commerce.payers(seller, instant):
            yield seller, timeline


Small = tuple[int, int, int]
# Seed, accounts and age in days; the world itself would be far too long to print.
worlds = st.tuples(st.integers(0, 10_000), st.integers(1, 3), st.integers(30, 500))
laws = settings(max_examples=15, deadline=None)


@pytest.fixture(scope="module")
def many() -> list[Told]:
    """A world in which everything happens that can."""
    commerce = Commerce(World(WorldConfig(start=START, days=200, customers_per_day=25, stripe_accounts=2)))
    instant = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())
    return [(seller, life) for seller in commerce.sellers for life in commerce.payers(seller, instant)]


@given(worlds)
@laws
def test_a_bill_is_the_sum_of_its_lines_less_discounts_and_what_is_due_of_it_depends_on_the_credit(
    world: Small,
) -> None:
    for _, life in told(*world):
        for invoice in life.invoices:
            gross = [line.amount for line in invoice.lines]
            assert invoice.subtotal == sum(gross)
            assert invoice.total == sum(gross) - sum(line.discount for line in invoice.lines)
            assert all(0 <= line.discount <= max(0, line.amount) for line in invoice.lines)
            if invoice.payment is not None:
                due = amount_due(invoice.total, invoice.starting_balance)
                assert life.payments[invoice.payment].amount == due > 0


@given(worlds)
@laws
def test_credit_comes_from_negative_bills_and_is_used_up_by_later_ones(world: Small) -> None:
    for _, life in told(*world):
        balance = 0
        for invoice in sorted(life.invoices, key=lambda one: one.finalized):
            if invoice.finalized == NEVER:
                continue
            assert invoice.starting_balance == balance
            assert invoice.ending_balance in (balance, balance_after(invoice.total, balance))
            balance = invoice.ending_balance
        assert life.standings[-1].balance == balance <= 0


@given(worlds)
@laws
def test_what_was_captured_is_what_bills_and_single_purchases_were_paid_with(world: Small) -> None:
    for _, life in told(*world):
        captured = sum(charge.amount for charge in life.charges if charge.failure is None)
        bills = sum(
            amount_due(invoice.total, invoice.starting_balance) for invoice in life.invoices if invoice.paid != NEVER
        )
        purchases = sum(one.amount for one in life.payments if one.invoice is None and one.succeeded != NEVER)
        assert captured == bills + purchases


@given(worlds)
@laws
def test_no_more_is_given_back_than_was_paid_at_any_time_nor_later_than_half_a_year_after(world: Small) -> None:
    for _, life in told(*world):
        for charge in life.charges:
            changes = [life.refunds[number] for number in charge.refunds]
            for refund in changes:
                assert 0 < life.refunded(charge, refund.created) <= charge.amount
                assert instant_of(refund.created) - instant_of(charge.created) <= 180 * DAY_SECONDS
            assert charge.failure is None or not changes
            assert not (changes and charge.dispute is not None)


@given(worlds)
@laws
def test_the_balance_is_what_was_captured_less_what_went_back_and_fees(world: Small) -> None:
    for seller, life in told(*world):
        market, home = life.customer.market, seller.market
        expected = 0
        for charge in life.charges:
            if charge.failure is None:
                amount = settled(charge.amount, market, home)
                expected += amount - card_fee(amount, home)
        for refund in life.refunds:
            if refund.failed == NEVER:
                expected -= settled(refund.amount, market, home)
        for dispute in life.disputes:
            expected -= dispute_fee(home) + (0 if dispute.won else settled(dispute.amount, market, home))
        found = list(movements(seller, life))
        assert sum(one.net for one in found) == expected
        assert all((one.rate_micros is None) == (market.currency == home.currency) for one in found)
        for one in found:
            assert 2 * DAY_SECONDS < available_on(one) - instant_of(one.created) <= 3 * DAY_SECONDS
            assert available_on(one) % DAY_SECONDS == 0


@given(worlds)
@laws
def test_a_subscription_moves_only_along_known_ways_and_its_periods_join(world: Small) -> None:
    for _, life in told(*world):
        if life.subscription is None:
            continue
        for before, after in pairwise(life.subscription.terms):
            assert before.tick < after.tick
            assert after.status == before.status or after.status in ALLOWED[before.status]
            assert after.period == before.period or after.period[0] == before.period[1]
            assert before.ended_at is None
        for terms in life.subscription.terms:
            assert (terms.ended_at is not None) == (terms.status in {"canceled", "incomplete_expired"})
            assert terms.items
            assert all(item.seats > 0 for item in terms.items)
            begin, end = terms.period
            assert begin < end
            if (begin, end) != life.subscription.trial:
                months = 12 if life.customer.yearly else 1
                assert 27 * months <= (end - begin) / DAY_SECONDS <= 31 * months


@given(worlds)
@laws
def test_a_subscription_is_behind_exactly_as_long_as_a_bill_of_it_failed_and_is_open(world: Small) -> None:
    for _, life in told(*world):
        bills = [one for one in life.invoices if one.reason is not Reason.MANUAL and one.payment is not None]
        for charge in life.charges:
            tick = end_of(instant_of(charge.created))
            if life.subscription is None or life.subscription.created > tick:
                continue
            failed = False
            for bill in bills:
                tries = [life.charges[serial] for serial in life.payments[bill.payment or 0].charges]
                failed |= bill.status(tick) == "open" and any(one.failure and one.created <= tick for one in tries)
            status = life.subscription.at(tick).status
            if status in {"active", "past_due", "unpaid"}:
                assert (status == "active") == (not failed)
            assert life.standing(tick).delinquent >= (status in {"past_due", "unpaid"})


@given(worlds)
@laws
def test_changes_come_one_after_the_other_from_the_day_somebody_begins_to_pay(world: Small) -> None:
    for _, life in told(*world):
        events = [unpack(packed) for packed in life.events]
        assert events[0].type == "customer.created"
        assert instant_of(events[0].tick) == life.customer.pays_from
        # Several events can tell of one change, but each thing changes at ticks of its own.
        assert all(before.tick <= after.tick for before, after in pairwise(events))
        for records in (life.invoices, life.payments, life.charges, life.refunds, life.disputes):
            ticks = [record.created for record in records]
            assert ticks == sorted(set(ticks))
            assert [record.serial for record in records] == list(range(len(records)))


@given(st.integers(0, 10_000), st.integers(0, 150), st.integers(1, 400))
@laws
def test_how_far_a_life_is_told_changes_nothing_of_what_comes_before(seed: int, day: int, further: int) -> None:
    commerce = Commerce(World(WorldConfig(start=START, seed=seed, customers_per_day=1)))
    world = commerce._world
    for customer in world.customers(int(datetime(2026, 2, 1, tzinfo=UTC).timestamp())):
        if customer.pays_from is None:
            continue
        until = customer.pays_from + day * DAY_SECONDS
        short, long = (Run(customer, commerce.sellers[0], end) for end in (until, until + further * DAY_SECONDS))
        live(short)
        live(long)
        tick = end_of(until)
        early = [packed for packed in long.timeline.events if unpack(packed).tick <= tick]
        assert short.timeline.events == early
        assert [one.lines for one in short.timeline.invoices] == [
            one.lines for one in long.timeline.invoices if one.created <= tick
        ]
        for one, same in zip(short.timeline.invoices, long.timeline.invoices, strict=False):
            assert one.status(tick) == same.status(tick)


def test_every_story_is_told(many: list[Told]) -> None:
    lives = [life for _, life in many]
    last = [life.subscription.terms[-1] for life in lives if life.subscription]
    seen = {terms.status for life in lives if life.subscription for terms in life.subscription.terms}
    assert seen == set(ALLOWED)
    assert {terms.cancel_reason for terms in last} >= {None, "cancellation_requested", "payment_failed"}
    assert {terms.pause for life in lives if life.subscription for terms in life.subscription.terms} >= {
        None,
        "void",
        "keep_as_draft",
        "mark_uncollectible",
    }
    invoices = [invoice for life in lives for invoice in life.invoices]
    assert {invoice.reason for invoice in invoices} == set(Reason)
    assert {line.kind for invoice in invoices for line in invoice.lines} == set(LineKind)
    assert {invoice.status(FOREVER) for invoice in invoices} == {"draft", "open", "paid", "void", "uncollectible"}
    assert any(invoice.deleted != NEVER for invoice in invoices)
    assert any(len(invoice.lines) > 10 for invoice in invoices)
    assert any(invoice.total < 0 for invoice in invoices)
    assert any(0 < amount_due(invoice.total, invoice.starting_balance) < invoice.total for invoice in invoices)
    assert {life.discount.coupon == 0 for life in lives if life.discount} == {True, False}
    assert any(life.deleted != NEVER for life in lives)
    disputes = [dispute for life in lives for dispute in life.disputes if dispute.closed != NEVER]
    assert {dispute.won for dispute in disputes} == {True, False}
    refunds = [(life.charges[refund.charge], refund) for life in lives for refund in life.refunds]
    assert {refund.amount == charge.amount for charge, refund in refunds} == {True, False}
    assert any(refund.failed != NEVER for _, refund in refunds)
    ages = [instant_of(refund.created) - instant_of(charge.created) for charge, refund in refunds]
    assert max(ages) > 150 * DAY_SECONDS
    assert {source for seller, life in many for source in (one.source for one in movements(seller, life))} == {
        *Source
    } - {Source.FEE}
    types = Counter(unpack(packed).type for life in lives for packed in life.events)
    catalogue = {"product", "price", "coupon"}
    assert types.keys() == {name for name, kind in KIND_OF_TYPE.items() if kind not in catalogue}


def test_of_three_months_with_a_quarter_off_and_one_bill_with_an_amount_off(many: list[Told]) -> None:
    full, amounts = 0, 0
    for seller, life in many:
        if life.discount is None:
            continue
        billed = [invoice for invoice in life.invoices if any(line.kind is LineKind.PERIOD for line in invoice.lines)]
        off = [invoice for invoice in billed if invoice.discounted]
        coupon = seller.coupons[life.discount.coupon]
        if coupon.amount_off is not None:
            assert len(off) <= 1
            for invoice in off:
                amounts += 1
                assert sum(line.discount for line in invoice.lines) == min(coupon.amount_off, invoice.subtotal)
        elif not life.customer.yearly and len(billed) > 3:
            full += 1
            assert billed.index(off[-1]) == 2
            assert len(off) == 3
    assert full > 10
    assert amounts > 10


def test_an_invoice_is_a_draft_for_one_hour_when_a_period_begins(many: list[Told]) -> None:
    hours = Counter(
        (instant_of(invoice.finalized) - instant_of(invoice.created)) / 3_600
        for _, life in many
        for invoice in life.invoices
        if invoice.reason is Reason.CYCLE and invoice.finalized != NEVER
    )
    assert set(hours) == {1.0}


def test_amounts_in_three_decimals_end_with_a_zero(many: list[Told]) -> None:
    dinars = [life for _, life in many if life.customer.market.digits == 3]
    amounts: list[Any] = [charge.amount for life in dinars for charge in life.charges]
    amounts += [refund.amount for life in dinars for refund in life.refunds]
    assert len(amounts) > 20
    assert all(amount % 10 == 0 for amount in amounts)


@pytest.mark.parametrize(
    ("begin", "months", "end"),
    [((2026, 1, 31), 1, (2026, 2, 28)), ((2026, 1, 31), 2, (2026, 3, 31)), ((2024, 2, 29), 12, (2025, 2, 28))],
)
def test_a_month_later_is_the_same_day_or_the_last_there_is(
    begin: tuple[int, int, int], months: int, end: tuple[int, int, int]
) -> None:
    before, after = (int(datetime(*day, 13, 14, 15, tzinfo=UTC).timestamp()) for day in (begin, end))
    assert add_months(before, months) == after
