"""adAnalytics: what was done for some entities, by pivot and period. apis/linkedin_ads.md, section 2.6.

Rows are made one by one, in the order of ids and then days, so that a cut-off answer costs what it holds.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from dataflow_assets.sandbox.linkedin_ads import ids
from dataflow_assets.sandbox.linkedin_ads.errors import invalid_field, invalid_param, not_reproduced
from dataflow_assets.sandbox.linkedin_ads.metrics import EMPTY, METRICS, REACH, date_range, figure, something
from dataflow_assets.sandbox.linkedin_ads.requests import Call, as_record, as_text, as_whole
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, Counts, Moment, World
from dataflow_assets.sandbox.world.performance import total

Row = dict[str, Any]
Period = tuple[int, int]  # day ordinals, both included

FINDERS = frozenset({"analytics", "statistics"})
_COMMON = frozenset({"q", "timeGranularity", "dateRange", "fields"})
_FACETS: Mapping[str, type] = {
    "accounts": Account,
    "campaignGroups": Campaign,
    "campaigns": AdSet,
    "creatives": Ad,
}
_OTHER_FACETS = frozenset({"shares", "companies"})
_OTHER_PARAMS = frozenset({"campaignType", "objectiveType", "sortBy"})

# From the widest to the narrowest; a row is about one thing of the narrowest pivot asked for.
_LEVELS: Mapping[str, Callable[[Ad], ids.Entity]] = {
    "ACCOUNT": lambda ad: ad.account,
    "CAMPAIGN_GROUP": lambda ad: ad.ad_set.campaign,
    "CAMPAIGN": lambda ad: ad.ad_set,
    "CREATIVE": lambda ad: ad,
}
_CONVERSION = "CONVERSION"
_PIVOTS = frozenset({*_LEVELS, _CONVERSION})
_OTHER_PIVOTS = frozenset({"COMPANY", "SHARE", "SERVING_LOCATION", "CARD_INDEX", "PLACEMENT_NAME", "OBJECTIVE_TYPE"})
_MEMBER = "MEMBER_"
_MOST_PIVOTS = 3
_ANCESTORS: Mapping[type, Callable[[Ad], ids.Entity]] = {
    Account: _LEVELS["ACCOUNT"],
    Campaign: _LEVELS["CAMPAIGN_GROUP"],
    AdSet: _LEVELS["CAMPAIGN"],
    Ad: _LEVELS["CREATIVE"],
}

_GRANULARITIES = frozenset({"ALL", "DAILY", "MONTHLY", "YEARLY"})
_ABOUT = frozenset({"dateRange", "pivotValues"})
_DEFAULT_FIELDS = ("impressions", "clicks")
_MOST_DAYS_OF_REACH = 92
_LAST_YEAR = 9_000  # so that there is always a month and a year after a day
# How a list looks that was given for `fields`, by the Rest.li encoder or by Python's own `str`.
_LISTS = ("List(", "[", "%5B", "%5b")


@dataclass(frozen=True)
class Query:
    """A checked question. `facets` hold, by kind, the things that an ad must belong to; `periods` cover the days."""

    pivots: tuple[str, ...]
    periods: tuple[Period, ...]
    facets: tuple[tuple[type, tuple[ids.Entity, ...]], ...]
    fields: tuple[str, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The fields that are figures."""
        return tuple(name for name in self.fields if name not in _ABOUT)

    @property
    def account(self) -> Account | None:
        """The account it is about, if it names just one."""
        accounts = dict(self.facets).get(Account, ())
        return accounts[0] if len(accounts) == 1 and isinstance(accounts[0], Account) else None


def read_query(call: Call, world: World, today: date, most_fields: int) -> Query:
    """Check a call. Raises RestError 400 for what is wrong in it or not reproduced."""
    finder = call.text("q")
    pivots_in = "pivot" if finder == "analytics" else "pivots"
    for name in call.params:
        if name in _OTHER_FACETS or name in _OTHER_PARAMS:
            raise not_reproduced(name, "this parameter")
    call.check(_COMMON | _FACETS.keys() | {pivots_in})
    first, last = _days(call, today)
    fields = _fields(call, most_fields)
    if REACH in fields and (last - first).days >= _MOST_DAYS_OF_REACH:
        raise invalid_field(REACH, f"it is given for up to {_MOST_DAYS_OF_REACH} days")
    periods = _periods(call, first, last, (world.config.start, today))
    return Query(_pivots(call, pivots_in), periods, _facets(call, world), fields)


def rows(world: World, query: Query, instant: int) -> Iterator[Row]:
    """The answer's rows as known at an instant (unix seconds).

    There is none for a period without delivery, nor when all the metrics asked for are nothing.
    """
    level = _LEVELS[max((one for one in query.pivots if one in _LEVELS), key=list(_LEVELS).index, default="ACCOUNT")]
    metrics = [(name, METRICS[name]) for name in query.metrics if name in METRICS]
    of_rule = _CONVERSION in query.pivots
    moments: dict[Account, Moment] = {}
    for _, group in groupby(_ads(world, query), key=lambda ad: ids.number(level(ad))):
        ads = list(group)
        account = ads[0].account
        moment = moments.setdefault(account, Moment.of(account, instant))
        about = [ids.urn(_subject(ads[0], pivot)) for pivot in query.pivots]
        for first, last in _touched(query.periods, ads, moment.today):
            counts = total(world.delivered(ads, first, last, moment))
            if counts is not None and of_rule:
                counts = _converted(counts)
            if counts is None:
                continue
            values = {name: metric(counts, account.market) for name, metric in metrics}
            if query.metrics and not any(something(value) for value in values.values()):
                continue
            row: Row = {}
            for name in query.fields:
                if name == "dateRange":
                    row[name] = date_range(date.fromordinal(first), date.fromordinal(last))
                elif name == "pivotValues":
                    row[name] = about
                elif name in values:
                    row[name] = figure(values[name], noise=True)
            yield row


def _subject(ad: Ad, pivot: str) -> ids.Entity | ids.ConversionRule:
    return ids.ConversionRule(ad.account) if pivot == _CONVERSION else _LEVELS[pivot](ad)


def _converted(counts: Counts) -> Counts | None:
    """What of some counts belongs to a conversion rule: its conversions and their worth; None when there are none."""
    if not counts.purchases_28d_click + counts.purchases_1d_view:
        return None
    none = Counts(*(0 for _ in counts))
    return none._replace(
        purchases_28d_click=counts.purchases_28d_click,
        purchases_1d_view=counts.purchases_1d_view,
        value_28d_click=counts.value_28d_click,
        value_1d_view=counts.value_1d_view,
    )


def _ads(world: World, query: Query) -> Iterator[Ad]:
    """The ads that belong to every kind of facet, by id."""
    *wider, (_, narrowest) = query.facets
    allowed = [(_ANCESTORS[kind], {ids.number(node) for node in nodes}) for kind, nodes in wider]
    for root in narrowest:
        for ad in world.ads_under(root):
            if all(ids.number(above(ad)) in numbers for above, numbers in allowed):
                yield ad


def _touched(periods: tuple[Period, ...], ads: Iterable[Ad], today: int) -> Iterator[Period]:
    """The periods in which one of the ads may have delivered."""
    spans = [span for ad in ads for span in ad.life.spans]
    begin = min((span[0] for span in spans), default=0)
    end = min(max((span[1] for span in spans), default=0), today + 1)
    return (period for period in periods if period[1] >= begin and period[0] < end)


def _facets(call: Call, world: World) -> tuple[tuple[type, tuple[ids.Entity, ...]], ...]:
    """The things asked about, from the widest kind to the narrowest; those that never exist are left out."""
    found: list[tuple[type, tuple[ids.Entity, ...]]] = []
    for name, kind in _FACETS.items():
        urns = call.texts(name)
        if urns is None:
            continue
        try:
            nodes = {text: ids.from_urn(world, kind, text) for text in urns}
        except ValueError as error:
            raise invalid_param(name, str(error)) from None
        known = [node for node in nodes.values() if node is not None]
        found.append((kind, tuple(sorted(known, key=ids.number))))
    if not found:
        raise invalid_param("accounts", f"at least one of {', '.join(_FACETS)} is needed")
    return tuple(found)


def _pivots(call: Call, name: str) -> tuple[str, ...]:
    value = call.value(name)
    if value is None:
        raise invalid_param(name, "it is needed")
    values = value if name == "pivots" and isinstance(value, list) else [value]
    pivots = tuple(as_text(one, name) for one in values)
    if name == "pivots" and not isinstance(value, list):
        raise invalid_param(name)
    if not 1 <= len(pivots) <= _MOST_PIVOTS or len(set(pivots)) < len(pivots):
        raise invalid_param(name, f"1 to {_MOST_PIVOTS} different ones are needed")
    for number, pivot in enumerate(pivots):
        place = name if name == "pivot" else f"{name}_{number}"
        if pivot.startswith(_MEMBER) and name == "pivots":
            raise invalid_field(pivot, "statistics cannot be had for members")
        if pivot.startswith(_MEMBER) or pivot in _OTHER_PIVOTS:
            raise not_reproduced(place, f"the pivot {pivot}")
        if pivot not in _PIVOTS:
            raise invalid_param(place)
    return pivots


def _fields(call: Call, most: int) -> tuple[str, ...]:
    raw = call.params.get("fields", "")
    fields = None if raw.startswith(_LISTS) else call.fields()
    if not fields:
        return _DEFAULT_FIELDS
    if len(fields) > most:
        raise invalid_param("fields", f"{len(fields)} fields are more than {most}")
    for name in fields:
        if name not in _ABOUT and name not in METRICS and name not in EMPTY:
            raise invalid_field(name, "adAnalytics has no such field here")
    return fields


def _days(call: Call, today: date) -> tuple[date, date]:
    """First and last day asked for, both included, in UTC."""
    asked = call.record("dateRange")
    if asked is None or "start" not in asked or not asked.keys() <= {"start", "end"}:
        raise invalid_param("dateRange", "it is needed, with a start and perhaps an end")
    first = _day(asked["start"], "dateRange/start")
    last = _day(asked["end"], "dateRange/end") if "end" in asked else max(first, today)
    if first > last:
        raise invalid_param("dateRange", "it ends before it starts")
    return first, last


def _day(value: Any, place: str) -> date:
    parts = as_record(value, place)
    if parts.keys() != {"year", "month", "day"}:
        raise invalid_param(place, "a day is a year, a month and a day")
    year, month, day = (as_whole(parts[name], place) for name in ("year", "month", "day"))
    try:
        return date(year if year <= _LAST_YEAR else 0, month, day)
    except (ValueError, OverflowError):
        raise invalid_param(place, "there is no such day") from None


def _periods(call: Call, first: date, last: date, history: tuple[date, date]) -> tuple[Period, ...]:
    """The days cut into rows; single days only where there can be any rows, lest a range of centuries fill memory."""
    granularity = call.text("timeGranularity")
    if granularity not in _GRANULARITIES:
        raise invalid_param("timeGranularity", f"it must be one of {', '.join(sorted(_GRANULARITIES))}")
    if granularity == "DAILY":
        begin, end = max(first, history[0]), min(last, history[1])
        return tuple((day, day) for day in range(begin.toordinal(), end.toordinal() + 1))
    days = (first.toordinal(), last.toordinal())
    if granularity == "ALL":
        return ((days[0], days[-1]),)
    starts = [days[0], *_firsts(first, last, whole_years=granularity == "YEARLY")]
    return tuple(zip(starts, [day - 1 for day in starts[1:]] + [days[-1]], strict=True))


def _firsts(first: date, last: date, *, whole_years: bool) -> Iterator[int]:
    """The first days of the months or years that begin after `first`, until `last`."""
    day = first
    while True:
        day = date(day.year + 1, 1, 1) if whole_years else (day.replace(day=1) + timedelta(days=32)).replace(day=1)
        if day > last:
            return
        yield day.toordinal()
