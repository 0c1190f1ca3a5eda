"""What an ad did on a day of its account's calendar, as known at some instant.

A day grows in quarter-hour steps until it is over. Then its results (purchases, leads) are still found in steps until
its 28th day, and on some days invalid traffic is taken off the spend on the second or third day after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from dataflow_assets.sandbox.world.accounts import Account
from dataflow_assets.sandbox.world.campaigns import Ad, Goal
from dataflow_assets.sandbox.world.chance import between, draws

Results = tuple[int, int, int, int]
"""Found up to 1, 7 and 28 days after a click, and up to 1 day after a view."""

SETTLED_AGE = 27
"""A day's figures change for the last time when it is this many days old."""

_QUARTER = timedelta(minutes=15)
# Thousandths of a day's final results that are known when the day is this many days old.
_KNOWN_FROM_AGE = ((0, 560), (1, 720), (3, 830), (7, 910), (14, 960), (SETTLED_AGE, 1_000))
_KNOWN = tuple(max(known for from_age, known in _KNOWN_FROM_AGE if from_age <= age) for age in range(SETTLED_AGE + 1))
_WEEKDAY = (102, 100, 99, 101, 108, 94, 88)  # Monday first, in hundredths of an average day

_NO_RESULTS: Results = (0, 0, 0, 0)
_HELD = 1_000  # an account of 20,000 ads has ten million ad-days in 500 days

# Draws are in [0, 2**32).
_NO_DELIVERY_BELOW = int(0.05 * 2**32)
_UNPAID_BELOW = int(0.07 * 2**32)
_CORRECTED_BELOW = int(0.25 * 2**32)


class Counts(NamedTuple):
    """What happened, as integers that add up over ads and days, except `reach` (see `people`).

    `cells` is how many ad-days are inside; money is in minor units of the account's currency. Results are counted
    by attribution window: up to 1, 7 or 28 days after a click, or 1 day after a view. 28 holds 7 holds 1.
    """

    cells: int
    impressions: int
    clicks: int
    link_clicks: int
    spend: int
    reach: int
    purchases_1d_click: int
    purchases_7d_click: int
    purchases_28d_click: int
    purchases_1d_view: int
    value_1d_click: int
    value_7d_click: int
    value_28d_click: int
    value_1d_view: int
    leads_1d_click: int
    leads_7d_click: int
    leads_28d_click: int
    leads_1d_view: int

    @property
    def purchases(self) -> Results:
        """Purchases by window."""
        return self[6:10]

    @property
    def values(self) -> Results:
        """What the purchases are worth, by window, in minor units."""
        return self[10:14]

    @property
    def leads(self) -> Results:
        """Leads by window."""
        return self[14:18]

    @property
    def people(self) -> int:
        """Distinct people reached: fewer than the sum over ads and days, for the same person is met again."""
        return self.reach * 16 // (15 + self.cells.bit_length())


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant (unix seconds) as seen in one account's zone: its day, and how much of that day is reported."""

    instant: int
    today: int
    quarters: int
    quarters_of_day: int

    @classmethod
    def of(cls, account: Account, instant: int) -> "Moment":
        """The account's view of an instant. A day has 92, 96 or 100 quarters of an hour."""
        zone = account.zone
        day = account.local(instant).date()
        begin = datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
        tomorrow = day + timedelta(days=1)
        end = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp()
        quarter = _QUARTER.total_seconds()
        return cls(instant, day.toordinal(), int((instant - begin) // quarter), int((end - begin) // quarter))

    @property
    def date(self) -> date:
        """The account's today."""
        return date.fromordinal(self.today)


def total(parts: Iterable[Counts]) -> Counts | None:
    """The sum of several ad-days; None when there are none. Of a great many only some are held at a time."""
    rest = iter(parts)
    result = next(rest, None)
    while result is not None and (cells := list(islice(rest, _HELD))):
        result = Counts(*map(sum, zip(result, *cells, strict=True)))
    return result


def ad_day(ad: Ad, day: int, moment: Moment) -> Counts | None:
    """What the ad did on a day (an ordinal) it was allowed to deliver, as known at the moment; None for nothing."""
    age = moment.today - day
    if age < 0:
        return None
    luck, volume, price, taste, buying, mix, chance, repeat = draws(ad.salt, day)
    if luck < _NO_DELIVERY_BELOW:
        return None
    paid = ad.spend * _WEEKDAY[(day + 6) % 7] * between(volume, 60, 140) // 10_000
    impressions = paid * 1_000_000 // (ad.cpm * between(price, 800, 1_250))
    spend = 0 if luck < _UNPAID_BELOW else paid
    clicks = impressions * ad.click_rate * between(taste, 70, 130) // 10_000_000
    link_clicks = clicks * ad.link_share // 1_000
    will_act = link_clicks * ad.buy_rate * between(buying, 40, 170) // 100
    known = 1_000 if age >= SETTLED_AGE else _KNOWN[age]
    if age == 0:
        passed, whole = moment.quarters, moment.quarters_of_day
        impressions, clicks, link_clicks, spend, known = (
            figure * passed // whole for figure in (impressions, clicks, link_clicks, spend, known)
        )
    elif age > 1:
        from_age, taken = _invalid_traffic(ad.account, day)
        if age >= from_age:
            spend -= spend * taken // 1_000
    if impressions == 0:
        return None
    reach = max(1, impressions * 100 // between(repeat, 105, 145))
    found = _found(will_act, known, mix, chance)
    purchases, values, leads = _NO_RESULTS, _NO_RESULTS, _NO_RESULTS
    if ad.goal is Goal.SALES:
        worth = ad.basket * between(mix, 85, 115) // 100
        day_1, day_7, day_28, view = purchases = found
        values = (day_1 * worth, day_7 * worth, day_28 * worth, view * worth)
    elif ad.goal is Goal.LEADS:
        leads = found
    return Counts(1, impressions, clicks, link_clicks, spend, reach, *purchases, *values, *leads)


def _found(will_act: int, known: int, mix: int, chance: int) -> Results:
    """The results of a day found so far, by window, of `will_act` thousandths of a result that there will be.

    Everything is rounded by chance: plain rounding would have a small ad never sell, and each of its few sales be known
    on the first day.
    """
    rounding, by_view, by_day = chance % 1_000, chance // 1_000 % 1_000, chance // 1_000_000 % 1_000
    everyone = (will_act + rounding) // 1_000
    viewed = (everyone * between(mix, 50, 350) + by_view) // 1_000
    clicked = everyone - viewed
    at_once = (clicked * 700 + by_day) // 1_000
    late = (clicked * 150 + mix % 1_000) // 1_000
    return (
        (at_once * known + rounding) // 1_000,
        (clicked * known + rounding) // 1_000,
        ((clicked + late) * known + rounding) // 1_000,
        (viewed * known + rounding) // 1_000,
    )


@lru_cache(maxsize=8_192)
def _invalid_traffic(account: Account, day: int) -> tuple[int, int]:
    """From which age of the day spend is corrected, and by how many thousandths (none on most days)."""
    luck, when, much, *_ = draws(account.salt, day)
    return (2 + (when & 1), between(much, 5, 40)) if luck < _CORRECTED_BELOW else (2, 0)
