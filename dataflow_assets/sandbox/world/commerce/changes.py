"""What people change while they subscribe: seats, plans, and whether they are billed at all for a while."""

from dataclasses import replace

from dataflow_assets.sandbox.world.chance import between
from dataflow_assets.sandbox.world.commerce.invoices import bill, proration_lines
from dataflow_assets.sandbox.world.commerce.records import Item, Reason
from dataflow_assets.sandbox.world.commerce.run import Run
from dataflow_assets.sandbox.world.commerce.standing import set_terms
from dataflow_assets.sandbox.world.commerce.story import Topic, days, happens
from dataflow_assets.sandbox.world.customers import DAY_SECONDS, PLANS

_RUSH_BEGINS = 3 * DAY_SECONDS
_RUSH_STEP = 2 * DAY_SECONDS


def plan_changes(run: Run) -> None:
    """Plan what a new subscriber is going to change. Changes of a yearly plan are billed at once."""
    story = run.story
    for number in range(story.rush):
        run.later(run.now + _RUSH_BEGINS + number * _RUSH_STEP, _change_seats, number)
    if story.seat_gap is not None:
        _plan_seats(run, story.rush)
    if story.new_plan_after is not None:
        run.later(run.now + story.new_plan_after, _change_plan)
    if story.pause_after is not None:
        run.later(run.now + story.pause_after, _pause)


def _plan_seats(run: Run, number: int) -> None:
    if run.story.seat_gap is not None:
        gap, *_ = run.fate.draws(Topic.SEATS, number)
        run.later(run.now + days(gap, *run.story.seat_gap), _change_seats, number)


def _change_seats(run: Run, number: int) -> None:
    """More seats or fewer of one item; a small second item may be dropped."""
    if run.is_over:
        return
    if number >= run.story.rush:
        _plan_seats(run, number + 1)
    if not _may_change(run):
        return
    _, which, grows, by, drops, *_ = run.fate.draws(Topic.SEATS, number)
    items = run.terms.items
    item = items[between(which, 0, len(items) - 1)]
    if len(items) > 1 and happens(drops, 200):
        _change_item(run, items[-1], None)
        return
    seats = item.seats + between(by, 1, 6) if happens(grows, 600) else max(1, item.seats - between(by, 1, 4))
    if seats != item.seats:
        _change_item(run, item, replace(item, seats=seats))


def _change_plan(run: Run) -> None:
    if run.is_over or not _may_change(run):
        return
    item = run.terms.items[0]
    taken = {one.product for one in run.terms.items}
    free = [number for number in range(len(PLANS)) if number not in taken]
    way, *_ = run.fate.draws(Topic.STORY, 5)
    _change_item(run, item, replace(item, product=free[between(way, 0, len(free) - 1)]))


def _may_change(run: Run) -> bool:
    return run.terms.status in ("active", "trialing") and not run.terms.cancel_at_period_end


def _change_item(run: Run, before: Item, after: Item | None) -> None:
    """Put one item in another's place and bill the difference for the rest of the period."""
    terms = run.terms
    items = tuple(after if one is before else one for one in terms.items if after is not None or one is not before)
    lines = [] if terms.status == "trialing" else proration_lines(run, before, after)
    if lines and run.timeline.customer.yearly:
        set_terms(run, items=items, latest_invoice=len(run.timeline.invoices))
        bill(run, Reason.UPDATE, lines[::-1], (run.now, run.now), draft=0, then=terms.pause)
        return
    run.pending += lines
    set_terms(run, items=items)


def _pause(run: Run) -> None:
    if run.is_over or run.terms.status != "active":
        return
    set_terms(run, pause=run.story.pause)
    run.later(run.now + run.story.pause_seconds, _resume)


def _resume(run: Run) -> None:
    if not run.is_over and run.terms.pause is not None:
        set_terms(run, pause=None)
