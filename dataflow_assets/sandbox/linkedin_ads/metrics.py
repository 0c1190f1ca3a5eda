"""The metrics of adAnalytics as LinkedIn writes them: counts as numbers, money as decimal text.

apis/linkedin_ads.md, section 2.6. A post-click conversion is a purchase within 28 days of a click, a post-view one
within a day of a view; a lead counts in either way. Dollars come from the account's money by a fixed rate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from dataflow_assets.sandbox.world import Counts
from dataflow_assets.sandbox.world.accounts import Market

# What one unit of a currency is worth, in ten-thousandths of a dollar.
_DOLLARS = {
    "EUR": 10_800,
    "USD": 10_000,
    "JPY": 67,
    "NZD": 6_000,
    "GBP": 12_700,
    "INR": 119,
    "BRL": 1_850,
    "AUD": 6_500,
}
_RATE_DIGITS = 4
# Which amounts come with noise: those that leave less than the second when divided by the first. No rate is a multiple
# of the first, or else every amount in that currency would.
_NOISE_OF, _NOISE_BELOW = 11, 4


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of `units`, each the tenth part of a unit taken `digits` times."""

    units: int
    digits: int

    def text(self, *, noise: bool) -> str:
        """The amount as text: exact, or with what is left of binary fractions in about every third amount.

        With noise an amount whose `units % 11 < 4` is written as the nearest double with 19 decimals. Rounded to 6
        decimals both are the same.
        """
        exact = Decimal(self.units).scaleb(-self.digits)
        if noise and self.units and self.units % _NOISE_OF < _NOISE_BELOW:
            return f"{Decimal(float(exact)):.19f}"
        whole, _, rest = f"{exact:f}".partition(".")
        return f"{whole}.{rest.rstrip('0') or '0'}"


Value = int | Money
Metric = Callable[[Counts, Market], Value]


def _post_click(counts: Counts, _market: Market) -> int:
    return counts.purchases_28d_click


def _post_view(counts: Counts, _market: Market) -> int:
    return counts.purchases_1d_view


METRICS: Mapping[str, Metric] = {
    "impressions": lambda counts, _: counts.impressions,
    "clicks": lambda counts, _: counts.clicks,
    "landingPageClicks": lambda counts, _: counts.link_clicks,
    "costInLocalCurrency": lambda counts, market: Money(counts.spend, market.digits),
    "costInUsd": lambda counts, market: Money(counts.spend * _DOLLARS[market.currency], market.digits + _RATE_DIGITS),
    "externalWebsiteConversions": lambda counts, market: _post_click(counts, market) + _post_view(counts, market),
    "externalWebsitePostClickConversions": _post_click,
    "externalWebsitePostViewConversions": _post_view,
    "conversionValueInLocalCurrency": lambda counts, market: Money(
        counts.value_28d_click + counts.value_1d_view, market.digits
    ),
    "oneClickLeads": lambda counts, _: counts.leads_28d_click + counts.leads_1d_view,
    "approximateMemberReach": lambda counts, _: counts.people,
}
REACH = "approximateMemberReach"
"""Not additive, and only to be had for up to 92 days."""

EMPTY = frozenset(
    {
        "actionClicks",
        "adUnitClicks",
        "cardClicks",
        "cardImpressions",
        "commentLikes",
        "comments",
        "companyPageClicks",
        "follows",
        "fullScreenPlays",
        "leadGenerationMailContactInfoShares",
        "leadGenerationMailInterestedClicks",
        "likes",
        "oneClickLeadFormOpens",
        "opens",
        "otherEngagements",
        "qualifiedLeads",
        "reactions",
        "sends",
        "shares",
        "textUrlClicks",
        "totalEngagements",
        "videoCompletions",
        "videoFirstQuartileCompletions",
        "videoMidpointCompletions",
        "videoStarts",
        "videoThirdQuartileCompletions",
        "videoViews",
        "viralImpressions",
    }
)
"""Metrics of LinkedIn's that can be asked for and never have a value here; they are absent from rows."""


def figure(value: Value, *, noise: bool) -> int | str:
    """A metric's value as JSON."""
    return value.text(noise=noise) if isinstance(value, Money) else value


def something(value: Value) -> bool:
    """Whether it is more than nothing."""
    return (value.units if isinstance(value, Money) else value) != 0


def day_json(day: date) -> dict[str, int]:
    """A day as LinkedIn writes it."""
    return {"year": day.year, "month": day.month, "day": day.day}


def date_range(first: date, last: date) -> dict[str, Any]:
    """The days of a row, both included."""
    return {"start": day_json(first), "end": day_json(last)}
