"""Taking money: attempts, and what follows when they fail."""

from dataflow_assets.sandbox.world.chance import between
from dataflow_assets.sandbox.world.commerce.givebacks import plan_aftermath
from dataflow_assets.sandbox.world.commerce.records import NEVER, Charge, Invoice, Payment, Reason
from dataflow_assets.sandbox.world.commerce.run import Run
from dataflow_assets.sandbox.world.commerce.standing import (
    end_subscription,
    mark_paid,
    set_standing,
    set_terms,
    void,
    write_off,
)
from dataflow_assets.sandbox.world.commerce.story import Topic, choose, days, happens
from dataflow_assets.sandbox.world.customers import DAY_SECONDS

_HOUR = 3_600
_RETRY_DAYS = (3, 5, 7)
_RETRY_FAILS = 550  # of a thousand second, third or fourth tries
_PURCHASE_TRIES = 3
_DECLINES = ("generic_decline", "insufficient_funds", "expired_card", "do_not_honor")
_LEFT_BEHIND = ((500, write_off), (300, void), (200, None))


def open_payment(run: Run, amount: int, invoice: Invoice | None) -> Payment:
    """Begin to collect an amount; the first try comes two seconds later."""
    serial = len(run.timeline.payments)
    payment = Payment(serial, run.tick(), amount, invoice.serial if invoice else None)
    run.timeline.payments.append(payment)
    run.tell(payment.created, "payment_intent.created", serial)
    run.later(run.now + 2, _attempt, serial)
    return payment


def _attempt(run: Run, serial: int, surely: bool = False) -> None:
    """Try to take the money of a payment; `surely` is how somebody pays who means to."""
    payment = run.timeline.payments[serial]
    invoice = None if payment.invoice is None else run.timeline.invoices[payment.invoice]
    is_closed = min(payment.canceled, payment.succeeded, run.timeline.deleted) != NEVER
    if is_closed or (invoice is not None and invoice.halted != NEVER and not surely):
        return
    number = len(run.timeline.charges)
    which, fails, *_ = run.fate.draws(Topic.CHARGE, number)
    failed = not surely and _fails(run, payment, invoice, fails)
    failure = _DECLINES[which % len(_DECLINES)] if failed else None
    charge = Charge(number, run.tick(), serial, payment.amount, failure)
    run.timeline.charges.append(charge)
    payment.charges.append(number)
    if failed:
        run.tell(charge.created, "charge.failed", number)
        run.tell(charge.created, "payment_intent.payment_failed", serial)
        _after_failure(run, payment, invoice, charge)
        return
    run.tell(charge.created, "charge.succeeded", number)
    payment.succeeded = run.tick()
    run.tell(payment.succeeded, "payment_intent.succeeded", serial)
    if invoice is not None:
        mark_paid(run, invoice)
    plan_aftermath(run, charge)


def _fails(run: Run, payment: Payment, invoice: Invoice | None, draw: int) -> bool:
    if payment.charges:
        return happens(draw, _RETRY_FAILS)
    if invoice is not None and invoice.reason is Reason.CREATE:
        return run.story.first_fails
    return happens(draw, run.story.failing)


def _after_failure(run: Run, payment: Payment, invoice: Invoice | None, charge: Charge) -> None:
    _, _, gap, gives_up, *_ = run.fate.draws(Topic.CHARGE, charge.serial)
    tries = len(payment.charges)
    if invoice is None:
        if tries < _PURCHASE_TRIES:
            run.later(run.now + between(gap, 60, 900), _attempt, payment.serial)
        else:
            run.later(run.now + DAY_SECONDS, _abandon, payment.serial)
        return
    is_first = invoice.reason is Reason.CREATE
    is_last = not is_first and tries > len(_RETRY_DAYS)
    if is_first and not happens(gives_up, 300):
        run.later(run.now + between(gap, 600, 20 * _HOUR), _attempt, payment.serial, True)
    elif not is_first and not is_last:
        charge.retry_at = run.now + _RETRY_DAYS[tries - 1] * DAY_SECONDS
        run.later(charge.retry_at, _attempt, payment.serial)
    run.tell(charge.created, "invoice.payment_failed", invoice.serial)
    if invoice.reason is not Reason.MANUAL:
        run.unpaid.add(invoice.serial)
        set_standing(run, delinquent=True)
        if not is_first and run.terms.status == "active":
            set_terms(run, status="past_due")
    if is_last:
        _give_up(run, invoice, gives_up)


def _give_up(run: Run, invoice: Invoice, draw: int) -> None:
    """After the last try: the subscription ends, or goes on unpaid until somebody decides."""
    concerns_subscription = invoice.reason is not Reason.MANUAL and not run.is_over
    if concerns_subscription and happens(draw, 400):
        set_terms(run, status="unpaid")
        run.later(run.now + days(draw, 20, 60), _decide, invoice.serial)
        return
    close = choose(draw, _LEFT_BEHIND)
    if close is not None:
        close(run, invoice)
    if concerns_subscription:
        end_subscription(run, "payment_failed")


def _decide(run: Run, serial: int) -> None:
    """Somebody who owes for long pays after all, or is let go."""
    invoice = run.timeline.invoices[serial]
    if run.is_over or invoice.payment is None or invoice.is_closed(run.tick()):
        return
    pays, *_ = run.fate.draws(Topic.INVOICE, serial)
    if happens(pays, 500):
        _attempt(run, invoice.payment, surely=True)
    else:
        end_subscription(run, "payment_failed")


def _abandon(run: Run, serial: int) -> None:
    payment = run.timeline.payments[serial]
    payment.canceled = run.tick()
    run.tell(payment.canceled, "payment_intent.canceled", serial)
