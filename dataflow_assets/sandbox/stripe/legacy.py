"""The shapes of version 2024-06-20, made from the current ones: what moved or was renamed since goes back to its place.

Which fields those are: apis/stripe.md, section 1.
"""

from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.stripe.shapes import catalogue, subscriptions
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row
from dataflow_assets.sandbox.stripe.shapes.invoices import LINES_PER_INVOICE, payment_of
from dataflow_assets.sandbox.stripe.things import Thing
from dataflow_assets.sandbox.world.commerce.records import Invoice, LineKind, Reason, Timeline

# What each object has only since.
_NEWER: Mapping[str, frozenset[str]] = {
    "subscription": frozenset({"billing_mode", "billing_schedules", "status_details"}),
    "subscription_item": frozenset({"current_period_end", "current_period_start"}),
    "invoice": frozenset(
        {
            "amount_overpaid",
            "amount_paid_off_stripe",
            "parent",
            "status_details",
            "total_pretax_credit_amounts",
            "total_taxes",
        }
    ),
    "line_item": frozenset({"parent", "pretax_credit_amounts", "pricing", "quantity_decimal", "subtotal", "taxes"}),
    "payment_intent": frozenset({"payment_record"}),
    "refund": frozenset({"customer", "payment_method", "pending_reason"}),
    "balance_transaction": frozenset({"balance_type"}),
    "discount": frozenset({"source"}),
    "dispute": frozenset({"enhanced_eligibility_types"}),
}


def as_of_old(frame: Frame, thing: Thing, row: Row, tick: int) -> Row:
    """The row of a thing as version 2024-06-20 has it."""
    convert = _CONVERSIONS.get(thing.kind)
    return convert(frame, thing, row, tick) if convert else _without(row)


def _without(row: Row) -> Row:
    newer = _NEWER.get(row["object"], frozenset())
    return {name: value for name, value in row.items() if name not in newer}


def _subscription(frame: Frame, thing: Thing, row: Row, tick: int) -> Row:
    terms = thing.record.at(tick)
    begin, end = terms.period
    old = _without(row) | {
        "current_period_end": end,
        "current_period_start": begin,
        "discount": _discount(frame, thing.life, tick) if terms.discounted else None,
        "items": row["items"] | {"data": [_without(item) for item in row["items"]["data"]]},
    }
    details = row["cancellation_details"]
    old["cancellation_details"] = {name: details[name] for name in ("comment", "feedback", "reason")}
    return old


def _invoice(frame: Frame, thing: Thing, row: Row, tick: int) -> Row:
    timeline, invoice = thing.life, thing.record
    is_manual = invoice.reason is Reason.MANUAL
    rows = row["lines"]["data"]
    old = _without(row) | {
        "application_fee_amount": None,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "discount": _discount(frame, timeline, tick) if invoice.discounted else None,
        "lines": row["lines"]
        | {"data": [_line(frame, timeline, (invoice, at), one, tick) for at, one in enumerate(rows)]},
        "paid": row["status"] == "paid",
        "paid_out_of_band": False,
        "quote": None,
        "subscription": None if is_manual else frame.of("subscription", timeline),
        "subscription_details": {"metadata": None if is_manual else {}},
        "tax": None,
        "total_tax_amounts": [],
        "transfer_data": None,
    }
    payment = payment_of(timeline, invoice, tick)
    tries = [serial for serial in payment.charges if timeline.charges[serial].created <= tick] if payment else []
    old["charge"] = frame.of("charge", timeline, tries[-1]) if tries else None
    old["payment_intent"] = frame.of("payment_intent", timeline, payment.serial) if payment else None
    return old


def _line(frame: Frame, timeline: Timeline, record: tuple[Invoice, int], row: Row, tick: int) -> Row:
    invoice, at = record
    of = invoice.lines[at]
    person = timeline.customer
    sold = frame.seller.price(of.product, person.market, yearly=person.yearly)
    is_item = of.is_proration or of.item is None
    number = frame.of("invoice_item", timeline, invoice.serial * LINES_PER_INVOICE + at)
    old = _without(row) | {
        "amount_excluding_tax": of.amount,
        "plan": None if sold.interval is None else catalogue.plan(frame, sold, tick),
        "price": catalogue.price(frame, sold, tick),
        "proration": of.is_proration,
        "proration_details": {"credited_items": None},
        "tax_amounts": [],
        "tax_rates": [],
        "type": "invoiceitem" if is_item else "subscription",
        "unit_amount_excluding_tax": "0" if of.kind is LineKind.TRIAL else str(sold.amount),
    }
    # In this version these are absent, not null, where they do not apply.
    if is_item:
        old["invoice_item"] = number
    if of.item is not None:
        old["subscription_item"] = frame.of("subscription_item", timeline, of.item)
    return old


def _line_item(frame: Frame, thing: Thing, row: Row, tick: int) -> Row:
    return _line(frame, thing.life, thing.record, row, tick)


def _discount(frame: Frame, timeline: Timeline, tick: int) -> Row | None:
    if timeline.discount is None:
        return None
    coupon = frame.seller.coupons[timeline.discount.coupon]
    row = _without(subscriptions.discount(frame, timeline, timeline.discount))
    return row | {"coupon": catalogue.coupon(frame, coupon, tick)}


def _discount_thing(frame: Frame, thing: Thing, _row: Row, tick: int) -> Row:
    return _discount(frame, thing.life, tick) or {}


def _charge(frame: Frame, thing: Thing, row: Row, _tick: int) -> Row:
    payment = thing.life.payments[thing.record.payment]
    return _without(row) | {"invoice": _invoice_id(frame, thing, payment.invoice)}


def _payment_intent(frame: Frame, thing: Thing, row: Row, _tick: int) -> Row:
    return _without(row) | {"invoice": _invoice_id(frame, thing, thing.record.invoice)}


def _dispute(_frame: Frame, _thing: Thing, row: Row, _tick: int) -> Row:
    return _without(row) | {"balance_transactions": [_without(one) for one in row["balance_transactions"]]}


def _invoice_id(frame: Frame, thing: Thing, serial: int | None) -> str | None:
    return None if serial is None else frame.of("invoice", thing.life, serial)


_CONVERSIONS: Mapping[str, Callable[[Frame, Thing, Row, int], Row]] = {
    "subscription": _subscription,
    "invoice": _invoice,
    "line_item": _line_item,
    "discount": _discount_thing,
    "charge": _charge,
    "payment_intent": _payment_intent,
    "dispute": _dispute,
}
