"""What payments, refunds and disputes do to the account's balance, in the account's own currency."""

from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row
from dataflow_assets.sandbox.world.commerce.catalog import ONE_OFF, PRODUCT_NAMES
from dataflow_assets.sandbox.world.commerce.keys import movement_serial
from dataflow_assets.sandbox.world.commerce.ledger import available_on, movement
from dataflow_assets.sandbox.world.commerce.records import Movement, Payment, Reason, Source, Timeline, instant_of

_RATE_UNIT = 1_000_000
# Type and reporting category, as Stripe calls them.
_MOVEMENTS = {
    Source.CHARGE: ("charge", "charge"),
    Source.REFUND: ("refund", "refund"),
    Source.REFUND_FAILURE: ("refund_failure", "refund_failure"),
    Source.DISPUTE: ("adjustment", "dispute"),
    Source.DISPUTE_REVERSAL: ("adjustment", "dispute_reversal"),
    Source.FEE: ("stripe_fee", "fee"),
}


def balance_transaction(frame: Frame, timeline: Timeline | None, of: Movement, owner: int, tick: int) -> Row:
    """A movement of money; only its status ever changes, and that without an event."""
    currency = frame.seller.market.currency.lower()
    kind, category = _MOVEMENTS[of.source]
    details = [
        {
            "amount": of.fee,
            "application": None,
            "currency": currency,
            "description": "Dispute fee" if of.source is Source.DISPUTE else "Stripe processing fees",
            "type": "stripe_fee",
        }
    ]
    source, description = _source(frame, timeline, of)
    ready = available_on(of)
    return {
        "id": _id(frame, of, owner),
        "object": "balance_transaction",
        "amount": of.amount,
        "available_on": ready,
        "balance_type": "payments",
        "created": instant_of(of.created),
        "currency": currency,
        "description": description,
        "exchange_rate": None if of.rate_micros is None else of.rate_micros / _RATE_UNIT,
        "fee": of.fee,
        "fee_details": details if of.fee else [],
        "net": of.net,
        "reporting_category": category,
        "source": source,
        "status": "available" if instant_of(tick) >= ready else "pending",
        "type": kind,
    }


def movement_id(frame: Frame, timeline: Timeline, source: Source, serial: int) -> str | None:
    """The id of the balance transaction of something; None when it moves no money."""
    found = movement(frame.seller, timeline, source, serial)
    return None if found is None else _id(frame, found, timeline.customer.number)


def what_for(timeline: Timeline, payment: Payment) -> str:
    """What a payment is for, in Stripe's words."""
    if payment.invoice is None:
        return PRODUCT_NAMES[ONE_OFF]
    reason = timeline.invoices[payment.invoice].reason
    if reason is Reason.CREATE:
        return "Subscription creation"
    return "Payment for Invoice" if reason is Reason.MANUAL else "Subscription update"


def _source(frame: Frame, timeline: Timeline | None, of: Movement) -> tuple[str | None, str]:
    """What moved the money, and how Stripe words it."""
    if timeline is None:
        return None, "Billing software fee"
    if of.source is Source.CHARGE:
        made = timeline.charges[of.serial]
        return frame.of("charge", timeline, of.serial), what_for(timeline, timeline.payments[made.payment])
    if of.source in (Source.REFUND, Source.REFUND_FAILURE):
        back = timeline.refunds[of.serial]
        word = "REFUND FOR CHARGE" if of.source is Source.REFUND else "REFUND FAILURE FOR CHARGE"
        return frame.of("refund", timeline, of.serial), f"{word} ({frame.of('charge', timeline, back.charge)})"
    denied = timeline.disputes[of.serial]
    word = "Chargeback withdrawal for" if of.source is Source.DISPUTE else "Chargeback reversal for"
    return frame.of("dispute", timeline, of.serial), f"{word} {frame.of('charge', timeline, denied.charge)}"


def _id(frame: Frame, of: Movement, owner: int) -> str:
    return frame.id("balance_transaction", owner, movement_serial(of))
