"""Changes to how things stand: the terms of a subscription, the customer's account, what becomes of an invoice."""

from dataclasses import replace
from typing import Any

from dataflow_assets.sandbox.world.commerce.records import NEVER, Invoice, Reason
from dataflow_assets.sandbox.world.commerce.run import Run


def set_terms(run: Run, event: str = "customer.subscription.updated", **changes: Any) -> None:
    """Put new terms in force."""
    tick = run.tick()
    run.subscription.terms.append(replace(run.terms, tick=tick, **changes))
    run.tell(tick, event)


def set_standing(run: Run, **changes: Any) -> None:
    """Change the customer's account, if it is a change and the customer is still there."""
    standing = run.timeline.standings[-1]
    if run.timeline.deleted == NEVER and any(getattr(standing, name) != value for name, value in changes.items()):
        tick = run.tick()
        run.timeline.standings.append(replace(standing, tick=tick, **changes))
        run.tell(tick, "customer.updated")


def end_subscription(run: Run, reason: str | None, *, at_period_end: bool = False) -> None:
    """End it now. Corrections not yet billed are dropped, and nobody tries to collect its open invoices any more."""
    if not at_period_end:
        run.pending.clear()
    set_terms(
        run,
        "customer.subscription.deleted",
        status="canceled",
        ended_at=run.now,
        canceled_at=run.terms.canceled_at or run.now,
        cancel_reason=run.terms.cancel_reason or reason,
        pause=None,
    )
    for invoice in run.timeline.invoices:
        if invoice.reason is not Reason.MANUAL:
            halt(run, invoice)


def end_discount(run: Run) -> None:
    """Take the coupon off, if it is still on a living subscription."""
    discount = run.timeline.discount
    if discount is None or discount.end != NEVER or run.is_over:
        return
    discount.end = run.tick()
    run.tell(discount.end, "customer.discount.deleted")
    set_terms(run, discounted=False)


def halt(run: Run, invoice: Invoice) -> None:
    """Stop collecting an invoice; it stays as it is."""
    tick = run.tick()
    if not invoice.is_closed(tick) and invoice.halted == NEVER:
        invoice.halted = tick
        run.tell(tick, "invoice.updated", invoice.serial)


def mark_paid(run: Run, invoice: Invoice) -> None:
    """Call an invoice paid, and let the subscription recover when it was the last unpaid one."""
    invoice.paid = run.tick()
    run.tell(invoice.paid, "invoice.paid", invoice.serial)
    run.tell(invoice.paid, "invoice.payment_succeeded", invoice.serial)
    if invoice.payment is not None and run.now >= run.seller.modern_from:
        # Older versions of the API know no such object, so an account that speaks one is not told of it.
        run.tell(invoice.paid, "invoice_payment.paid", invoice.serial)
    run.unpaid.discard(invoice.serial)
    if invoice.reason is Reason.MANUAL or run.unpaid:
        return
    if not run.is_over and run.terms.status in ("incomplete", "past_due", "unpaid"):
        set_terms(run, status="active")
    set_standing(run, delinquent=False)


def void(run: Run, invoice: Invoice) -> None:
    """Declare an invoice void; nobody will pay it."""
    invoice.voided = run.tick()
    run.tell(invoice.voided, "invoice.voided", invoice.serial)
    _give_up_payment(run, invoice)


def write_off(run: Run, invoice: Invoice) -> None:
    """Declare an invoice uncollectible."""
    invoice.uncollectible = run.tick()
    run.tell(invoice.uncollectible, "invoice.marked_uncollectible", invoice.serial)
    _give_up_payment(run, invoice)


def _give_up_payment(run: Run, invoice: Invoice) -> None:
    run.unpaid.discard(invoice.serial)
    if invoice.payment is not None:
        payment = run.timeline.payments[invoice.payment]
        payment.canceled = run.tick()
        run.tell(payment.canceled, "payment_intent.canceled", payment.serial)
