"""Invoices from draft to collection: their lines, the discount on them, the customer's credit."""

from collections.abc import Sequence
from dataclasses import replace

from dataflow_assets.sandbox.world.commerce.catalog import PERCENT_COUPON, PERCENT_OFF
from dataflow_assets.sandbox.world.commerce.money import payable, share
from dataflow_assets.sandbox.world.commerce.payments import open_payment
from dataflow_assets.sandbox.world.commerce.records import (
    NEVER,
    Discount,
    Invoice,
    Item,
    Line,
    LineKind,
    Pause,
    Reason,
    amount_due,
    balance_after,
)
from dataflow_assets.sandbox.world.commerce.run import Run
from dataflow_assets.sandbox.world.commerce.standing import end_discount, mark_paid, set_standing, void, write_off

DRAFT_SECONDS = 3_600


def period_lines(run: Run, items: Sequence[Item], period: tuple[int, int], *, trial: bool = False) -> list[Line]:
    """A line for each item of a subscription for a whole period."""
    kind = LineKind.TRIAL if trial else LineKind.PERIOD
    return [
        Line(
            kind,
            item.product,
            item.seats,
            0 if trial else item.seats * run.seat_price(item.product),
            period,
            item.serial,
        )
        for item in items
    ]


def proration_lines(run: Run, before: Item | None, after: Item | None) -> list[Line]:
    """What is owed back for the rest of the period on the old terms, and what is due for it on the new ones."""
    begin, end = run.terms.period
    rest = (run.now, end)
    lines = []
    for item, kind, sign in ((before, LineKind.UNUSED, -1), (after, LineKind.REMAINING, 1)):
        if item is not None:
            whole = item.seats * run.seat_price(item.product)
            amount = payable(share(sign * whole, end - run.now, end - begin), run.market)
            lines.append(Line(kind, item.product, item.seats, amount, rest, item.serial))
    return lines


def bill(
    run: Run, reason: Reason, lines: Sequence[Line], period: tuple[int, int], *, draft: int | None, then: Pause | None
) -> Invoice:
    """Make an invoice that is finalized after `draft` seconds (None: never), and then collected.

    In a pause (`then`) it is not collected, and perhaps never finalized.
    """
    discount = run.timeline.discount if reason is not Reason.MANUAL and run.terms.discounted else None
    lines = tuple(_discounted(run, discount, lines)) if discount else tuple(lines)
    used = any(line.discount for line in lines)
    invoice = Invoice(len(run.timeline.invoices), run.tick(), reason, period, lines, discounted=used)
    run.timeline.invoices.append(invoice)
    if draft is None or then is Pause.KEEP_AS_DRAFT:
        invoice.halted = invoice.created
    else:
        invoice.finalizes_at = run.now + draft
        run.later(invoice.finalizes_at, finalize, invoice.serial, then)
    run.tell(invoice.created, "invoice.created", invoice.serial)
    if discount and used and discount.coupon != PERCENT_COUPON:
        end_discount(run)
    return invoice


def finalize(run: Run, serial: int, then: Pause | None = None) -> None:
    """Make a draft binding; not if it was given up meanwhile."""
    invoice = run.timeline.invoices[serial]
    if invoice.halted != NEVER or invoice.deleted != NEVER or run.timeline.deleted != NEVER:
        return
    balance = run.timeline.standings[-1].balance
    due = amount_due(invoice.total, balance)
    invoice.number = run.numbered
    run.numbered += 1
    invoice.starting_balance = invoice.ending_balance = balance
    invoice.finalized = run.tick()
    run.tell(invoice.finalized, "invoice.finalized", serial)
    if then is Pause.VOID:
        void(run, invoice)
    elif then is Pause.MARK_UNCOLLECTIBLE:
        write_off(run, invoice)
    else:
        invoice.ending_balance = balance_after(invoice.total, balance)
        set_standing(run, balance=invoice.ending_balance)
        if due:
            invoice.payment = open_payment(run, due, invoice).serial
        else:
            mark_paid(run, invoice)


def _discounted(run: Run, discount: Discount, lines: Sequence[Line]) -> list[Line]:
    """The lines with what the coupon takes off; corrections of earlier periods are not discounted."""
    coupon = run.seller.coupons[discount.coupon]
    left = coupon.amount_off or 0
    result = []
    for line in lines:
        off = 0
        if not line.is_proration and line.amount > 0:
            off = min(line.amount, left)
            if discount.coupon == PERCENT_COUPON:
                off = payable(share(line.amount, PERCENT_OFF, 100), run.market)
            left -= off
        result.append(replace(line, discount=off))
    return result
