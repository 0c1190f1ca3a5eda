"""The balance of an account: every movement of money, in the account's own currency."""

from collections.abc import Iterator

from dataflow_assets.sandbox.world.commerce.catalog import Seller
from dataflow_assets.sandbox.world.commerce.money import card_fee, dispute_fee, rate_micros, settled
from dataflow_assets.sandbox.world.commerce.records import NEVER, Movement, Source, Timeline, instant_of
from dataflow_assets.sandbox.world.customers import DAY_SECONDS

_DAYS_UNTIL_AVAILABLE = 3


def movements(seller: Seller, timeline: Timeline) -> Iterator[Movement]:
    """Every movement that comes from one customer, by source; not sorted by time."""
    for charge in timeline.charges:
        if charge.failure is None:
            yield _movement(seller, timeline, Source.CHARGE, charge.serial)
    for refund in timeline.refunds:
        yield _movement(seller, timeline, Source.REFUND, refund.serial)
        if refund.failed != NEVER:
            yield _movement(seller, timeline, Source.REFUND_FAILURE, refund.serial)
    for dispute in timeline.disputes:
        yield _movement(seller, timeline, Source.DISPUTE, dispute.serial)
        if dispute.won:
            yield _movement(seller, timeline, Source.DISPUTE_REVERSAL, dispute.serial)


def movement(seller: Seller, timeline: Timeline, source: Source, serial: int) -> Movement | None:
    """One movement; None when there never is such a one."""
    if source is Source.CHARGE:
        known = len(timeline.charges)
    elif source in (Source.REFUND, Source.REFUND_FAILURE):
        known = len(timeline.refunds)
    else:
        known = len(timeline.disputes)
    if source is Source.FEE or serial >= known:
        return None
    found = _movement(seller, timeline, source, serial)
    failed_charge = source is Source.CHARGE and timeline.charges[serial].failure is not None
    lost = source is Source.DISPUTE_REVERSAL and not timeline.disputes[serial].won
    return None if failed_charge or lost or found.created == NEVER else found


def available_on(movement: Movement) -> int:
    """The instant from which the money can be used."""
    return (instant_of(movement.created) // DAY_SECONDS + _DAYS_UNTIL_AVAILABLE) * DAY_SECONDS


def _movement(seller: Seller, timeline: Timeline, source: Source, serial: int) -> Movement:
    home, market = seller.market, timeline.customer.market
    fee = 0
    if source is Source.CHARGE:
        charge = timeline.charges[serial]
        created, amount = charge.created, settled(charge.amount, market, home)
        fee = card_fee(amount, home)
    elif source in (Source.REFUND, Source.REFUND_FAILURE):
        refund = timeline.refunds[serial]
        amount = settled(refund.amount, market, home)
        created, amount = (refund.created, -amount) if source is Source.REFUND else (refund.failed, amount)
    else:
        dispute = timeline.disputes[serial]
        amount = settled(dispute.amount, market, home)
        if source is Source.DISPUTE:
            created, amount, fee = dispute.created, -amount, dispute_fee(home)
        else:
            created = dispute.closed
    return Movement(source, serial, created, amount, fee, rate_micros(market, home))
