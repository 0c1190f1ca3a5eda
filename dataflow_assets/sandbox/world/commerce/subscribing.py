"""The life of a subscription: it begins, renews, and ends."""

from dataflow_assets.sandbox.world.commerce.catalog import PERCENT_COUPON, PERCENT_MONTHS
from dataflow_assets.sandbox.world.commerce.changes import plan_changes
from dataflow_assets.sandbox.world.commerce.givebacks import refund
from dataflow_assets.sandbox.world.commerce.invoices import DRAFT_SECONDS, bill, period_lines
from dataflow_assets.sandbox.world.commerce.records import (
    Discount,
    Item,
    Reason,
    Standing,
    Subscription,
    Terms,
)
from dataflow_assets.sandbox.world.commerce.run import Run, add_months
from dataflow_assets.sandbox.world.commerce.shopping import plan_purchases
from dataflow_assets.sandbox.world.commerce.standing import (
    end_discount,
    end_subscription,
    set_standing,
    set_terms,
    void,
)
from dataflow_assets.sandbox.world.commerce.story import Ending, Offer, Topic, days, happens
from dataflow_assets.sandbox.world.customers import DAY_SECONDS, PLANS

_SIGN_UP_SECONDS = 40
_INCOMPLETE_SECONDS = 23 * 3_600
_WARNING_DAYS = 3


def begin(run: Run) -> None:
    """Somebody becomes a customer, and subscribes a moment later."""
    timeline = run.timeline
    timeline.created = run.tick()
    timeline.standings.append(Standing(timeline.created))
    run.tell(timeline.created, "customer.created")
    run.later(run.now + _SIGN_UP_SECONDS, _subscribe)
    plan_purchases(run)
    if run.story.deleted_after is not None:
        run.later(run.now + run.story.deleted_after, _delete)


def _subscribe(run: Run) -> None:
    customer, story = run.timeline.customer, run.story
    trial = (run.now, run.now + customer.trial_days * DAY_SECONDS) if customer.trial_days else None
    items = [Item(0, run.now, PLANS.index(customer.plan), customer.seats)]
    if story.has_second_item:
        items.append(Item(1, run.now, (items[0].product + 1) % len(PLANS), max(1, customer.seats // 4)))
    period = trial or (run.now, add_months(run.now, _months(run)))
    subscription = Subscription(run.tick(), period[1] if trial else period[0], trial)
    status = "trialing" if trial else "incomplete"
    discounted = story.offer is not Offer.NONE
    subscription.terms.append(Terms(subscription.created, status, period, tuple(items), discounted, latest_invoice=0))
    run.timeline.subscription = subscription
    run.tell(subscription.created, "customer.subscription.created")
    if discounted:
        _redeem(run)
    set_standing(run, has_currency=True)
    bill(
        run,
        Reason.CREATE,
        period_lines(run, items, period, trial=trial is not None),
        (run.now, run.now),
        draft=0,
        then=None,
    )
    run.periods = 0 if trial else 1
    if trial:
        run.later(trial[1] - _WARNING_DAYS * DAY_SECONDS, _warn)
    else:
        run.later(run.now + _INCOMPLETE_SECONDS, _expire)
    run.later(period[1], _renew)
    plan_changes(run)
    leave = {Ending.AT_PERIOD_END: _give_notice, Ending.RECONSIDERED: _give_notice, Ending.AT_ONCE: _quit}
    if story.ending in leave:
        run.later(run.now + story.ends_after, leave[story.ending])


def _redeem(run: Run) -> None:
    """Use the coupon the customer came with."""
    is_percent = run.story.offer is Offer.PERCENT
    coupon = PERCENT_COUPON if is_percent else run.seller.amount_coupon(run.market).serial
    ends_at = add_months(run.now, PERCENT_MONTHS) if is_percent else None
    discount = Discount(coupon, run.tick(), ends_at)
    run.timeline.discount = discount
    run.tell(discount.start, "customer.discount.created")
    if ends_at is not None:
        run.later(ends_at, end_discount)


def _months(run: Run) -> int:
    return 12 if run.timeline.customer.yearly else 1


def _warn(run: Run) -> None:
    if not run.is_over:
        run.tell(run.tick(), "customer.subscription.trial_will_end")


def _expire(run: Run) -> None:
    """Whose first payment has not come within a day never was a subscriber."""
    if run.is_over or run.terms.status != "incomplete":
        return
    void(run, run.timeline.invoices[0])
    set_terms(run, status="incomplete_expired", ended_at=run.now)


def _renew(run: Run) -> None:
    """A period is over: the next begins and is billed, or the subscription ends."""
    terms = run.terms
    if run.is_over:
        return
    over = terms.period
    pending, run.pending = run.pending, []
    pending.reverse()
    if terms.cancel_at_period_end:
        end_subscription(run, "cancellation_requested", at_period_end=True)
        if pending:
            bill(run, Reason.CYCLE, pending, over, draft=DRAFT_SECONDS, then=None)
        return
    begins = over[1]
    period = (begins, add_months(run.subscription.anchor, _months(run) * (run.periods + 1)))
    run.periods += 1
    set_terms(
        run,
        status="active" if terms.status == "trialing" else terms.status,
        period=period,
        latest_invoice=len(run.timeline.invoices),
    )
    lines = [*pending, *reversed(period_lines(run, terms.items, period))]
    bill(run, Reason.CYCLE, lines, over, draft=None if terms.status == "unpaid" else DRAFT_SECONDS, then=terms.pause)
    run.later(period[1], _renew)


def _give_notice(run: Run) -> None:
    """The customer will leave at the end of the period; some think better of it."""
    if run.is_over or run.terms.status not in ("active", "trialing", "past_due"):
        return
    set_terms(run, cancel_at_period_end=True, canceled_at=run.now, cancel_reason="cancellation_requested")
    if run.story.ending is Ending.RECONSIDERED:
        gap, *_ = run.fate.draws(Topic.STORY, 3)
        run.later(run.now + days(gap, 1, 6), _stay)


def _stay(run: Run) -> None:
    if not run.is_over:
        set_terms(run, cancel_at_period_end=False, canceled_at=None, cancel_reason=None)


def _quit(run: Run) -> None:
    """The customer leaves at once; some get a part of the last payment back."""
    if run.is_over:
        return
    end_subscription(run, "cancellation_requested")
    paid = [charge for charge in run.timeline.charges if charge.failure is None]
    gets_back, gap, *_ = run.fate.draws(Topic.STORY, 4)
    if paid and happens(gets_back, 500):
        run.later(run.now + days(gap, 0, 2), refund, paid[-1].serial, True)


def _delete(run: Run) -> None:
    """The customer is deleted; what was paid stays."""
    timeline = run.timeline
    if timeline.subscription is not None and not run.is_over:
        end_subscription(run, None)
    timeline.deleted = run.tick()
    run.tell(timeline.deleted, "customer.deleted")


def live(run: Run) -> None:
    """Let a whole life happen, from the day somebody begins to pay."""
    pays_from = run.timeline.customer.pays_from
    if pays_from is not None:
        run.later(pays_from, begin)
        run.live()
