"""Invoices, their lines, and the payments put against them."""

from datetime import UTC, datetime

from dataflow_assets.sandbox.stripe.shapes.catalogue import price_id, product_id
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row, currency_of, seen
from dataflow_assets.sandbox.stripe.shapes.people import invoice_prefix
from dataflow_assets.sandbox.world.accounts import Market
from dataflow_assets.sandbox.world.commerce.catalog import PRODUCT_NAMES
from dataflow_assets.sandbox.world.commerce.records import (
    Invoice,
    Line,
    LineKind,
    Payment,
    Reason,
    Timeline,
    amount_due,
    instant_of,
)

LINES_PER_INVOICE = 256  # more than any has; ids hold them
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def payment_of(timeline: Timeline, of: Invoice, tick: int) -> Payment | None:
    """The payment of an invoice, once it has been begun."""
    payment = None if of.payment is None else timeline.payments[of.payment]
    return payment if payment is not None and payment.created <= tick else None


def invoice(frame: Frame, timeline: Timeline, of: Invoice, tick: int) -> Row:
    """An invoice with its first lines."""
    status = of.status(tick)
    is_final = status != "draft"
    total = of.total
    balance = of.starting_balance if is_final else timeline.standing(of.created).balance
    due = amount_due(total, balance)
    paid = due if status == "paid" else 0
    payment = payment_of(timeline, of, tick)
    tries = [charge for charge in payment.charges if timeline.charges[charge].created <= tick] if payment else []
    collects = status in ("draft", "open") and tick < of.halted
    retry_at = timeline.charges[tries[-1]].retry_at if tries else None
    person = timeline.customer
    number = frame.of("invoice", timeline, of.serial)
    discount = frame.of("discount", timeline) if of.discounted else None
    off = sum(line.discount for line in of.lines)
    return {
        "id": number,
        "object": "invoice",
        "account_country": frame.seller.market.country,
        "account_name": frame.seller.name,
        "account_tax_ids": None,
        "amount_due": due,
        "amount_overpaid": 0,
        "amount_paid": paid,
        "amount_paid_off_stripe": 0,
        "amount_remaining": due - paid,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": len(tries),
        "attempted": bool(tries) or status == "paid",
        "auto_advance": collects,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "automatically_finalizes_at": of.finalizes_at if collects and not is_final else None,
        "billing_reason": str(of.reason),
        "collection_method": "charge_automatically",
        "created": instant_of(of.created),
        "currency": currency_of(timeline),
        "custom_fields": None,
        "customer": frame.of("customer", timeline),
        "customer_address": None,
        "customer_email": person.email,
        "customer_name": person.company.name,
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [discount] if discount else [],
        "due_date": None,
        "effective_at": seen(of.finalized, tick),
        "ending_balance": of.ending_balance if is_final else None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": frame.embedded(lines(frame, timeline, of), f"/v1/invoices/{number}/lines"),
        "livemode": False,
        "metadata": {},
        "next_payment_attempt": (retry_at if is_final else of.finalizes_at) if collects else None,
        "number": None if of.number is None or not is_final else f"{invoice_prefix(timeline)}-{of.number + 1:04d}",
        "on_behalf_of": None,
        "parent": None if of.reason is Reason.MANUAL else _parent(frame, timeline),
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": of.period[1],
        "period_start": of.period[0],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": balance,
        "statement_descriptor": None,
        "status": status,
        "status_details": None,
        "status_transitions": {
            "finalized_at": seen(of.finalized, tick),
            "marked_uncollectible_at": seen(of.uncollectible, tick),
            "paid_at": seen(of.paid, tick),
            "voided_at": seen(of.voided, tick),
        },
        "subtotal": of.subtotal,
        "subtotal_excluding_tax": of.subtotal,
        "test_clock": None,
        "total": total,
        "total_discount_amounts": [{"amount": off, "discount": discount}] if discount else [],
        "total_excluding_tax": total,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": None,
    }


def _parent(frame: Frame, timeline: Timeline) -> Row:
    return {
        "quote_details": None,
        "subscription_details": {"metadata": {}, "subscription": frame.of("subscription", timeline)},
        "type": "subscription_details",
    }


def lines(frame: Frame, timeline: Timeline, of: Invoice) -> list[Row]:
    """All lines of an invoice, in Stripe's order."""
    return [line(frame, timeline, of, at) for at in range(len(of.lines))]


def line(frame: Frame, timeline: Timeline, invoice_of: Invoice, at: int) -> Row:
    """One line of an invoice."""
    of = invoice_of.lines[at]
    person = timeline.customer
    sold = frame.seller.price(of.product, person.market, yearly=person.yearly)
    serial = invoice_of.serial * LINES_PER_INVOICE + at
    discount = frame.of("discount", timeline) if of.discount else None
    return {
        "id": frame.of("line_item", timeline, serial),
        "object": "line_item",
        "amount": of.amount,
        "currency": currency_of(timeline),
        "description": _description(of, person.market, sold.amount, yearly=person.yearly),
        "discount_amounts": [{"amount": of.discount, "discount": discount}] if discount else [],
        "discountable": not of.is_proration,
        "discounts": [],
        "invoice": frame.of("invoice", timeline, invoice_of.serial),
        "livemode": False,
        "metadata": {},
        "parent": _line_parent(frame, timeline, of, serial),
        "period": {"end": of.period[1], "start": of.period[0]},
        "pretax_credit_amounts": [],
        "pricing": {
            "price_details": {"price": price_id(frame, sold), "product": product_id(frame, of.product)},
            "type": "price_details",
            "unit_amount_decimal": "0" if of.kind is LineKind.TRIAL else str(sold.amount),
        },
        "quantity": of.seats,
        "quantity_decimal": str(of.seats),
        "subscription": None if of.item is None else frame.of("subscription", timeline),
        "subtotal": of.amount,
        "taxes": [],
    }


def _line_parent(frame: Frame, timeline: Timeline, of: Line, serial: int) -> Row:
    if of.item is None:
        details = {
            "invoice_item": frame.of("invoice_item", timeline, serial),
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": None,
        }
        return {
            "invoice_item_details": details,
            "subscription_item_details": None,
            "type": "invoice_item_details",
        }
    details = {
        "invoice_item": frame.of("invoice_item", timeline, serial) if of.is_proration else None,
        "proration": of.is_proration,
        "proration_details": {"credited_items": None} if of.is_proration else None,
        "subscription": frame.of("subscription", timeline),
        "subscription_item": frame.of("subscription_item", timeline, of.item),
    }
    return {
        "invoice_item_details": None,
        "subscription_item_details": details,
        "type": "subscription_item_details",
    }


def _description(of: Line, market: Market, unit: int, *, yearly: bool) -> str:
    name = PRODUCT_NAMES[of.product]
    if of.kind is LineKind.ONE_OFF:
        return name
    if of.kind is LineKind.TRIAL:
        return f"Trial period for {name}"
    if of.is_proration:
        date = datetime.fromtimestamp(of.period[0], UTC)
        word = "Unused" if of.kind is LineKind.UNUSED else "Remaining"
        return f"{word} time on {of.seats} x {name} after {date.day:02d} {_MONTHS[date.month - 1]} {date.year}"
    price = f"{unit / 10**market.digits:.{market.digits}f} {market.currency}"
    return f"{of.seats} x {name} (at {price} / {'year' if yearly else 'month'})"


def invoice_payment(frame: Frame, timeline: Timeline, of: Invoice, tick: int) -> Row:
    """What ties an invoice to its payment; the payment must have been begun."""
    payment = timeline.payments[of.payment or 0]
    paid = of.paid <= tick
    status = "paid" if paid else "canceled" if payment.canceled <= tick else "open"
    return {
        "id": frame.of("invoice_payment", timeline, of.serial),
        "object": "invoice_payment",
        "amount_paid": payment.amount if paid else None,
        "amount_requested": payment.amount,
        "created": instant_of(payment.created),
        "currency": currency_of(timeline),
        "invoice": frame.of("invoice", timeline, of.serial),
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": frame.of("payment_intent", timeline, payment.serial), "type": "payment_intent"},
        "status": status,
        "status_transitions": {
            "canceled_at": seen(payment.canceled, tick),
            "paid_at": seen(of.paid, tick),
        },
    }
