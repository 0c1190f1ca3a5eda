"""Single purchases beside the subscription: most are paid on the spot, some by an invoice, now and then a wrong one."""

from dataflow_assets.sandbox.world.commerce.catalog import ONE_OFF
from dataflow_assets.sandbox.world.commerce.invoices import DRAFT_SECONDS, bill
from dataflow_assets.sandbox.world.commerce.payments import open_payment
from dataflow_assets.sandbox.world.commerce.records import NEVER, Invoice, Line, LineKind, Reason
from dataflow_assets.sandbox.world.commerce.run import Run
from dataflow_assets.sandbox.world.commerce.story import Topic, days, happens

_MISTAKE_SECONDS = 1_500


def plan_purchases(run: Run) -> None:
    """Plan what a new customer is going to buy."""
    at = run.now
    for number in range(run.story.purchases):
        gap, *_ = run.fate.draws(Topic.PURCHASE, number)
        at += days(gap, 4, 90)
        run.later(at, _buy, number)


def _buy(run: Run, number: int) -> None:
    if run.timeline.deleted != NEVER:
        return
    _, by_invoice, wrong, *_ = run.fate.draws(Topic.PURCHASE, number)
    if not happens(by_invoice, 350):
        open_payment(run, run.seat_price(ONE_OFF), None)
    elif happens(wrong, 400):
        mistake = _write_invoice(run, 2)
        run.later(run.now + _MISTAKE_SECONDS, _throw_away, mistake.serial)
        run.later(run.now + _MISTAKE_SECONDS + 60, _write_invoice, 1)
    else:
        _write_invoice(run, 1)


def _write_invoice(run: Run, pieces: int) -> Invoice:
    line = Line(LineKind.ONE_OFF, ONE_OFF, pieces, pieces * run.seat_price(ONE_OFF), (run.now, run.now))
    return bill(run, Reason.MANUAL, [line], (run.now, run.now), draft=DRAFT_SECONDS, then=None)


def _throw_away(run: Run, serial: int) -> None:
    """A draft with a mistake is deleted before it binds anybody."""
    invoice = run.timeline.invoices[serial]
    invoice.deleted = run.tick()
    run.tell(invoice.deleted, "invoice.deleted", serial)
