"""Money that goes back after it was paid: refunds that work or do not, and disputes that are won or lost."""

from dataflow_assets.sandbox.world.chance import between
from dataflow_assets.sandbox.world.commerce.money import payable, share
from dataflow_assets.sandbox.world.commerce.records import NEVER, Charge, Dispute, Refund, instant_of
from dataflow_assets.sandbox.world.commerce.run import Run
from dataflow_assets.sandbox.world.commerce.story import Topic, choose, days, happens
from dataflow_assets.sandbox.world.customers import DAY_SECONDS

LATEST_REFUND_DAYS = 180

_AFTERMATHS = ((80, "partial"), (45, "full"), (25, "dispute"), (850, "none"))
_LATE_REFUNDS = 125  # of a thousand, months after the charge, when nobody looks at it any more
_REFUND_REASONS = ((600, "requested_by_customer"), (150, "duplicate"), (50, "fraudulent"), (200, None))
_DISPUTE_REASONS = ((500, "fraudulent"), (300, "product_not_received"), (200, "subscription_canceled"))


def plan_aftermath(run: Run, charge: Charge) -> None:
    """Decide what becomes of a successful charge."""
    what, when, late, later, *_ = run.fate.draws(Topic.AFTERMATH, charge.serial)
    kind = choose(what, _AFTERMATHS)
    if kind == "dispute":
        run.later(run.now + days(when, 5, 75), _deny, charge.serial)
    elif kind != "none":
        delay = days(later, 60, LATEST_REFUND_DAYS) if happens(late, _LATE_REFUNDS) else days(when, 0, 20)
        run.later(run.now + delay, refund, charge.serial, kind == "partial")


def refund(run: Run, serial: int, partial: bool) -> None:
    """Give a charge back, whole or in part, unless it is disputed or too old. Some are given back in several parts."""
    timeline = run.timeline
    charge = timeline.charges[serial]
    latest = instant_of(charge.created) + LATEST_REFUND_DAYS * DAY_SECONDS
    if charge.dispute is not None or run.now > latest:
        return
    number = len(timeline.refunds)
    much, why, pending, fails, again, gap, *_ = run.fate.draws(Topic.REFUND, number)
    left = charge.amount - sum(timeline.refunds[one].amount for one in charge.refunds)
    amount = min(left, payable(share(charge.amount, between(much, 10, 60), 100), run.market)) if partial else left
    if amount <= 0:
        return
    waits = happens(pending, 150)
    tick = run.tick()
    made = Refund(number, tick, serial, amount, choose(why, _REFUND_REASONS), settled=NEVER if waits else tick)
    timeline.refunds.append(made)
    charge.refunds.append(number)
    run.tell(tick, "refund.created", number)
    run.tell(tick, "charge.refunded", serial)
    if waits:
        run.later(run.now + days(gap, 1, 4), _settle, number, happens(fails, 300))
    next_at = run.now + days(gap, 2, 30)
    if partial and happens(again, 300) and next_at <= latest:
        run.later(next_at, refund, serial, True)


def _settle(run: Run, number: int, fails: bool) -> None:
    made = run.timeline.refunds[number]
    tick = run.tick()
    if fails:
        made.failed = tick
        run.tell(tick, "refund.failed", number)
        run.tell(tick, "charge.updated", made.charge)
    else:
        made.settled = tick
    run.tell(tick, "refund.updated", number)
    run.tell(tick, "charge.refund.updated", number)


def _deny(run: Run, serial: int) -> None:
    """The cardholder says that they did not buy."""
    charge = run.timeline.charges[serial]
    if charge.refunds:
        return
    number = len(run.timeline.disputes)
    why, answers, answer_gap, close_gap, wins, *_ = run.fate.draws(Topic.DISPUTE, number)
    made = Dispute(number, run.tick(), serial, charge.amount, choose(why, _DISPUTE_REASONS))
    run.timeline.disputes.append(made)
    charge.dispute = number
    run.tell(made.created, "charge.dispute.created", number)
    run.tell(made.created, "charge.dispute.funds_withdrawn", number)
    run.tell(made.created, "charge.updated", serial)
    answered = happens(answers, 850)
    if answered:
        run.later(run.now + days(answer_gap, 1, 6), _answer, number)
    run.later(run.now + days(close_gap, 10, 60), _close, number, answered and happens(wins, 500))


def _answer(run: Run, number: int) -> None:
    made = run.timeline.disputes[number]
    made.answered = run.tick()
    run.tell(made.answered, "charge.dispute.updated", number)


def _close(run: Run, number: int, won: bool) -> None:
    made = run.timeline.disputes[number]
    made.won = won
    made.closed = run.tick()
    run.tell(made.closed, "charge.dispute.closed", number)
    if won:
        run.tell(made.closed, "charge.dispute.funds_reinstated", number)
