"""The rows of an answer, found one by one in a fixed order, so that a page costs what it holds.

The order is that of campaign, ad group, ad, day, conversion action. An ordered answer has to be found as a whole.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

from dataflow_assets.sandbox.google_ads.changes import changes
from dataflow_assets.sandbox.google_ads.conditions import Filter
from dataflow_assets.sandbox.google_ads.customers import Directory
from dataflow_assets.sandbox.google_ads.fields import Field, nested, written
from dataflow_assets.sandbox.google_ads.metrics import METRICS, NOTHING, of_action
from dataflow_assets.sandbox.google_ads.plan import Plan, make_plan
from dataflow_assets.sandbox.google_ads.ranges import DATE
from dataflow_assets.sandbox.google_ads.subjects import (
    Action,
    Found,
    List,
    Subject,
    actions,
    ad_groups,
    ads,
    campaigns,
    campaigns_of,
    campaigns_with,
    itself,
)
from dataflow_assets.sandbox.world import Ad, Campaign, Counts, Moment, World

Position = tuple[int, ...]
"""Where a row stands in its answer."""

Row = dict[str, Any]

_LISTS: Mapping[str, List] = {
    "customer": itself,
    "campaign": campaigns,
    "ad_group": ad_groups,
    "ad_group_ad": ads,
    "conversion_action": actions,
    "change_status": changes,
}
_BELOW_CAMPAIGNS = frozenset({"campaign", "ad_group", "ad_group_ad"})
_PLANS_KEPT = 64
_ORDERED_KEPT = 2  # answers; one being paged through, and the next


@dataclass(frozen=True, slots=True)
class Line:
    """What a row is made of. `static` is shared by the rows of one subject."""

    subject: Subject
    static: Row
    counts: Counts
    day: int


class Finder:
    """Finds the rows of plans in one world. Safe to use from several threads."""

    def __init__(self, world: World, directory: Directory) -> None:
        self._world = world
        self._directory = directory
        self.plan = lru_cache(_PLANS_KEPT)(make_plan)
        self._ordered: Callable[[Plan], list[Line]] = lru_cache(_ORDERED_KEPT)(self._sorted)

    def rows(self, plan: Plan, after: Position | None = None) -> Iterator[tuple[Position, Row]]:
        """The rows behind a position, each with its own; the limit of the plan is not looked at."""
        if plan.order:
            start = after[0] + 1 if after else 0
            lines = self._ordered(plan)
            found: Iterable[tuple[Position, Line]] = (((number,), lines[number]) for number in range(start, len(lines)))
        else:
            found = self._lines(plan, after)
        show = partial(_row, plan)
        return ((position, show(line)) for position, line in found)

    def _sorted(self, plan: Plan) -> list[Line]:
        lines = [line for _, line in self._lines(plan, None)]
        for field, descending in reversed(plan.order):
            keyed = [(_order_key(_value(plan, line, field)), line) for line in lines]
            keyed.sort(key=itemgetter(0), reverse=descending)
            lines = [line for _, line in keyed]
        return lines

    def _lines(self, plan: Plan, after: Position | None) -> Iterator[tuple[Position, Line]]:
        on_things = [one for one in plan.filters if one.field.resource not in ("metrics", "segments")]
        on_rows = [one for one in plan.filters if one.field.resource in ("metrics", "segments")]
        for place, subject in self._subjects(plan, after):
            if (after and place < after[:3]) or not all(one.passes(one.field.read(subject)) for one in on_things):
                continue
            static = nested((field.path, written(field, field.read(subject))) for field in plan.attributes)
            begun = after[3] if after and place == after[:3] else 0
            for day, of, counts in self._counted(plan, subject, begun):
                position = (*place, day, 0 if of.action is None else int(of.action))
                line = Line(of, static, counts, day)
                if (after is None or position > after) and _stands(plan, line, on_rows):
                    yield position, line

    def _subjects(self, plan: Plan, after: Position | None) -> Found:
        if plan.resource == "customer_client":
            return self._clients(plan)
        since = after[0] if after and plan.resource in _BELOW_CAMPAIGNS else 0
        among: Iterable[Campaign] = campaigns_of(self._world, plan.customer, since)
        if plan.campaign_ids is not None:
            among = campaigns_with(self._world, plan.customer, plan.campaign_ids)
        return _LISTS[plan.resource](self._world, plan.customer, plan.instant, among)

    def _clients(self, plan: Plan) -> Found:
        for number, (level, client) in enumerate(self._directory.tree(plan.customer)):
            yield (number, 0, 0), Subject(plan.customer, plan.instant, client=client, level=level)

    def _counted(self, plan: Plan, subject: Subject, begun: int) -> Iterator[tuple[int, Subject, Counts]]:
        """The rows of one subject: day (0 for all in one), subject with its conversion action, what was counted."""
        account = subject.customer.account
        if not plan.counts or account is None:
            yield 0, subject, NOTHING
            return
        moment = Moment.of(account, plan.instant)
        node = subject.ad or subject.ad_group or subject.campaign or account
        running = [ad for ad in self._world.ads_under(node) if ad.life.spans]
        for key, first, last in _periods(plan, running, moment.today, begun):
            counts = _sum(self._world.delivered(running, first, last, moment))
            if not plan.by_action:
                yield key, subject, counts
            elif counts is not NOTHING:
                for action in Action:
                    of = Subject(
                        subject.customer, subject.instant, subject.campaign, subject.ad_group, subject.ad, action=action
                    )
                    yield key, of, of_action(counts, action)


def _periods(plan: Plan, running: list[Ad], today: int, begun: int) -> Iterator[tuple[int, int, int]]:
    """The days of each row, first and last, after what the row is known by: its day, or 0 for all in one."""
    if not plan.by_day:
        first, last = plan.days or (0, today)
        yield 0, first, last
    elif running and plan.days:
        low = max(plan.days[0], begun, min(ad.life.spans[0][0] for ad in running))
        high = min(plan.days[1], today, max(ad.life.spans[-1][1] for ad in running) - 1)
        for day in range(low, high + 1):
            yield day, day, day


def _sum(parts: Iterable[Counts]) -> Counts:
    """The sum, without holding the parts: an account has a great many ad-days."""
    found: Counts | None = None
    for part in parts:
        found = part if found is None else Counts(*(a + b for a, b in zip(found, part, strict=True)))
    return found or NOTHING


def _stands(plan: Plan, line: Line, filters: list[Filter]) -> bool:
    """Whether a row is part of the answer: with segments only those are in which something selected happened."""
    if (plan.by_day or plan.by_action) and not any(_value(plan, line, metric) for metric in plan.metrics):
        return False
    return all(one.passes(_value(plan, line, one.field)) for one in filters)


def _value(plan: Plan, line: Line, field: Field) -> Any:
    if field.resource == "metrics":
        account = plan.customer.account
        return METRICS[field.path](line.counts, account.market.digits if account else 0)
    if field.path == DATE:
        return date.fromordinal(line.day).isoformat()
    return field.read(line.subject)


def _order_key(value: Any) -> tuple[bool, Any]:
    return (False, 0) if value is None else (True, value)


def _row(plan: Plan, line: Line) -> Row:
    row = line.static.copy()
    for field, name in plan.figures:
        value = written(field, _value(plan, line, field))
        if value is not None:
            row.setdefault(field.resource, {})[name] = value
    return row
