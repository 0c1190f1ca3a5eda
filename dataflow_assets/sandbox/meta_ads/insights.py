"""Insights: the daily performance of a node at a level, cut into periods. apis/meta_ads.md, section 2.4.

Rows come in a fixed order (campaign, ad set, ad, period) and are made one by one, so that a page costs what it holds.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from operator import itemgetter
from typing import Any

from dataflow_assets.sandbox.meta_ads import ids
from dataflow_assets.sandbox.meta_ads.entities import AD, View, view
from dataflow_assets.sandbox.meta_ads.errors import GraphError, invalid, not_reproduced
from dataflow_assets.sandbox.meta_ads.filtering import Filter, property_of, read_filters
from dataflow_assets.sandbox.meta_ads.listing import places
from dataflow_assets.sandbox.meta_ads.metrics import EMPTY, KNOWN_WINDOWS, METRICS, Windows, who
from dataflow_assets.sandbox.meta_ads.paging import Position, Row
from dataflow_assets.sandbox.meta_ads.requests import Call
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, Counts, Moment, World
from dataflow_assets.sandbox.world.lifecycle import Status
from dataflow_assets.sandbox.world.performance import total

Period = tuple[int, int]  # day ordinals, both included

_LEVELS = ("account", "campaign", "adset", "ad")
_EDGES = {"campaign": "campaigns", "adset": "adsets", "ad": "ads"}
_TRAILING = {"last_3d": 3, "last_7d": 7, "last_14d": 14, "last_28d": 28, "last_30d": 30, "last_90d": 90}
_MONTHS_BACK = 37
_MOST_DAYS_PER_ROW = 90
_SUBJECTS = frozenset({"campaign", "adset", "ad"})
_METRIC_FILTERS = frozenset({"impressions", "clicks", "spend"})
_WHO = frozenset(
    {f"{prefix}_{suffix}" for prefix in ("account", "campaign", "adset", "ad") for suffix in ("id", "name")}
    | {"account_currency", "attribution_setting"}
)
_FIELDS = frozenset({*_WHO, "date_start", "date_stop", *METRICS, *EMPTY})
_DEFAULT_FIELDS = ("account_id", "campaign_id", "adset_id", "ad_id", "impressions", "spend")
_REFUSED = ("breakdowns", "sort", "summary", "default_summary", "time_ranges", "product_id_limit", "export_format")


@dataclass(frozen=True)
class Query:
    """A checked question. The answer is what was known at `instant` (unix seconds)."""

    node: ids.Entity
    account: Account
    level: str
    periods: tuple[Period, ...]
    fields: tuple[str, ...]
    windows: Windows
    filters: tuple[Filter, ...]
    instant: int


def read_query(call: Call, node: ids.Entity, account: Account, instant: int) -> Query:
    """Check a call. Raises GraphError 100 for what is wrong in it, 3018 for days too long ago."""
    for name in _REFUSED:
        if name in call.params and call.params[name] not in ("false", "[]"):
            raise not_reproduced(f"`{name}` of insights")
    if call.strings("action_breakdowns") not in (None, ["action_type"]):
        raise not_reproduced("`action_breakdowns` other than action_type")
    own = _LEVELS[(Account, Campaign, AdSet, Ad).index(type(node))]
    level = call.params.get("level", own)
    if level not in _LEVELS or _LEVELS.index(level) < _LEVELS.index(own):
        raise invalid(f"Param level must be one of {{{', '.join(_LEVELS[_LEVELS.index(own) :])}}}")
    windows = tuple(call.strings("action_attribution_windows") or ())
    for window in windows:
        if window not in KNOWN_WINDOWS:
            raise invalid(f"Param action_attribution_windows: {window} is not an attribution window")
    today = Moment.of(account, instant).date
    return Query(
        node,
        account,
        level,
        _periods(call, _days(call, account, today)),
        _read_fields(call),
        windows,
        tuple(read_filters(call, _SUBJECTS, _METRIC_FILTERS)),
        instant,
    )


def rows(world: World, query: Query, after: Position | None = None) -> Iterator[tuple[Position, Row]]:
    """The answer's rows behind a position, each with its own: (campaign, ad set, ad, first day of the period)."""
    moment = Moment.of(query.account, query.instant)
    on_metrics = [one for one in query.filters if not one.subject]
    digits = query.account.market.digits
    wanted = [(name, METRICS[name]) for name in query.fields if name in METRICS]
    for place, node in _nodes(world, query, after):
        ads = [ad for ad in world.ads_under(node) if _counts_in(query, ad)]
        if not ads:
            continue
        known = who(query.account, node, query.instant)
        static = {name: known[name] for name in query.fields if name in known}
        begun = after[3] if after and after[:3] == place else None
        for first, last in _touched(query.periods, ads, begun):
            counts = total(world.delivered(ads, first, last, moment))
            if counts is None or not all(_metric_passes(one, counts, digits) for one in on_metrics):
                continue
            row: Row = static.copy()
            for name, metric in wanted:
                value = metric(counts, digits, query.windows)
                if value is not None:
                    row[name] = value
            row["date_start"] = date.fromordinal(first).isoformat()
            row["date_stop"] = date.fromordinal(last).isoformat()
            yield (*place, first), row


def _nodes(world: World, query: Query, after: Position | None) -> Iterator[tuple[Position, ids.Entity]]:
    """The things that have rows, each with a position of three numbers; from the one `after` lies in."""
    if query.level == "account":
        yield (0, 0, 0), query.node
        return
    for place, node in places(world, query.node, _EDGES[query.level], after[0] if after else 0):
        padded = (*place, 0, 0)[:3]
        if after is None or padded >= after[:3]:
            yield padded, node


def _touched(periods: tuple[Period, ...], ads: list[Ad], begun: int | None) -> tuple[Period, ...]:
    """The periods in which an ad may have delivered, behind the one that began on the day `begun`."""
    begin = min((span[0] for ad in ads for span in ad.life.spans), default=0)
    end = max((span[1] for ad in ads for span in ad.life.spans), default=0)
    low = bisect_left(periods, begin, key=itemgetter(1))
    if begun is not None:
        low = max(low, bisect_right(periods, begun, key=itemgetter(0)))
    return periods[low : bisect_left(periods, end, key=itemgetter(0))]


def _counts_in(query: Query, ad: Ad) -> bool:
    """Whether an ad is part of the answer. Level ad leaves deleted ones out unless a condition names their status."""
    if not query.filters and query.level != "ad":
        return True
    of = view(ad, query.instant)
    if of is None:
        return False
    named = any(one.subject == "ad" and one.name == "effective_status" for one in query.filters)
    hides = query.level == "ad" and not named and not isinstance(query.node, Ad)
    if hides and of.effective_status == Status.DELETED:
        return False
    return all(_thing_passes(one, of) for one in query.filters if one.subject)


def _thing_passes(one: Filter, of: View) -> bool:
    if one.subject == "ad":
        return one.passes(property_of(one.name, of))
    above = view(AD.inner[one.subject][1](of), of.instant)
    return above is not None and one.passes(property_of(one.name, above))


def _metric_passes(one: Filter, counts: Counts, digits: int) -> bool:
    value = counts.spend / 10**digits if one.name == "spend" else getattr(counts, one.name)
    return one.passes(value)


def _read_fields(call: Call) -> tuple[str, ...]:
    fields = call.fields()
    if fields is None:
        return _DEFAULT_FIELDS
    for name, inside in fields.items():
        if name not in _FIELDS or inside is not None:
            raise invalid(f"{name} is not valid for fields param")
    return tuple(fields)


def _days(call: Call, account: Account, today: date) -> tuple[date, date]:
    """First and last day asked for, both included."""
    time_range = call.json("time_range")
    if time_range is not None:
        if not isinstance(time_range, dict) or not {"since", "until"} <= time_range.keys():
            raise invalid("Param time_range must be an object with since and until")
        first, last = _date(time_range["since"]), _date(time_range["until"])
    else:
        first, last = _preset(call.params.get("date_preset", "last_30d"), account, today)
    if first > last:
        raise invalid("The start date of the time range cannot be after its end date")
    if first < _earliest(today):
        raise GraphError(
            3018,
            "(#3018) The start date of the time range cannot be beyond 37 months from the current date",
        )
    return first, last


def _preset(name: str, account: Account, today: date) -> tuple[date, date]:
    yesterday = today - timedelta(days=1)
    if name == "today":
        return today, today
    if name == "yesterday":
        return yesterday, yesterday
    if name in _TRAILING:
        return today - timedelta(days=_TRAILING[name]), yesterday
    if name == "this_month":
        return today.replace(day=1), today
    if name == "last_month":
        last = today.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    if name == "maximum":
        return max(account.local(account.created).date(), _earliest(today)), today
    raise invalid(f"Param date_preset: {name} is not a known preset")


def _earliest(today: date) -> date:
    months = today.year * 12 + today.month - 1 - _MONTHS_BACK
    first_of_month = date(months // 12, months % 12 + 1, 1)
    next_month = (first_of_month + timedelta(days=32)).replace(day=1)
    return min(first_of_month + timedelta(days=today.day - 1), next_month - timedelta(days=1))


def _date(text: Any) -> date:
    try:
        return date.fromisoformat(text)
    except (TypeError, ValueError):
        raise invalid(f"Must be a date representation YYYY-MM-DD, not {text!r}") from None


def _periods(call: Call, days: tuple[date, date]) -> tuple[Period, ...]:
    """The days cut into rows by `time_increment`: a number of days, `monthly`, or all in one."""
    first, last = days[0].toordinal(), days[1].toordinal()
    increment = call.params.get("time_increment", "all_days").strip('"')
    if increment == "all_days":
        return ((first, last),)
    if increment == "monthly":
        starts = [first] + [day for day in range(first + 1, last + 1) if date.fromordinal(day).day == 1]
    elif increment.isdigit() and 1 <= int(increment) <= _MOST_DAYS_PER_ROW:
        starts = list(range(first, last + 1, int(increment)))
    else:
        raise invalid("Param time_increment must be all_days, monthly or an integer from 1 to 90")
    return tuple(zip(starts, [day - 1 for day in starts[1:]] + [last], strict=True))
