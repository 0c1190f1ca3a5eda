"""The metrics of a row, from what the world counted. Money is in micros where the name says so, else in whole units."""

from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.google_ads.subjects import Action
from dataflow_assets.sandbox.world import Counts

Figure = int | float | None
Metric = Callable[[Counts, int], Figure]

NOTHING = Counts(*[0] * len(Counts._fields))
"""What the world counted where nothing happened."""

_RESULTS = {
    Action.PURCHASE: tuple(name for name in Counts._fields if name.startswith(("purchases_", "value_"))),
    Action.LEAD: tuple(name for name in Counts._fields if name.startswith("leads_")),
}


def micros(minor: int, digits: int) -> int:
    """An amount in millionths of the currency, from its smallest unit of `digits` decimals."""
    return minor * 1_000_000 // int(10**digits)


def of_action(counts: Counts, action: Action) -> Counts:
    """The counts without the results of the other conversion actions."""
    others = [name for other, names in _RESULTS.items() if other is not action for name in names]
    return counts._replace(**dict.fromkeys(others, 0))


def _by_click(counts: Counts) -> int:
    return counts.purchases_28d_click + counts.leads_28d_click


def _by_view(counts: Counts) -> int:
    return counts.purchases_1d_view + counts.leads_1d_view


def _ratio(above: float, below: int) -> float | None:
    return above / below if below else None


METRICS: Mapping[str, Metric] = {
    "metrics.impressions": lambda counts, _: counts.impressions,
    "metrics.clicks": lambda counts, _: counts.clicks,
    "metrics.interactions": lambda counts, _: counts.clicks,
    "metrics.cost_micros": lambda counts, digits: micros(counts.spend, digits),
    "metrics.ctr": lambda counts, _: _ratio(counts.clicks, counts.impressions),
    "metrics.average_cpc": lambda counts, digits: _ratio(float(micros(counts.spend, digits)), counts.clicks),
    "metrics.conversions": lambda counts, _: float(_by_click(counts)),
    "metrics.conversions_value": lambda counts, digits: counts.value_28d_click / 10**digits,
    "metrics.all_conversions": lambda counts, _: float(_by_click(counts) + _by_view(counts)),
    "metrics.all_conversions_value": lambda counts, digits: (
        (counts.value_28d_click + counts.value_1d_view) / 10**digits
    ),
    "metrics.view_through_conversions": lambda counts, _: _by_view(counts),
}
DOUBLES = frozenset(
    {
        "metrics.ctr",
        "metrics.average_cpc",
        "metrics.conversions",
        "metrics.conversions_value",
        "metrics.all_conversions",
        "metrics.all_conversions_value",
    }
)
"""The metrics that are doubles; the others are 64 bit integers."""

BY_ACTION = frozenset(
    {
        "metrics.conversions",
        "metrics.conversions_value",
        "metrics.all_conversions",
        "metrics.all_conversions_value",
    }
)
"""The metrics that can be split by conversion action."""
