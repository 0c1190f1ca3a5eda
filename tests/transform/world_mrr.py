"""Monthly recurring revenue as the world of the sandbox has it: from the lives of its subscribers, without any API."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from over_sandbox import Synced

from dataflow_assets.sandbox.stripe.shapes.frame import Frame
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.sandbox.world.commerce import Commerce, Seller, Timeline
from dataflow_assets.sandbox.world.commerce.catalog import PERCENT_COUPON, PERCENT_OFF
from dataflow_assets.sandbox.world.commerce.records import STEPS, Terms
from dataflow_assets.sandbox.world.world import World

Mrr = dict[tuple[date, str, str], Decimal]
"""By day, subscription item and currency, in major units with six decimals; without what is nothing."""


def mrr_found(synced: Synced, last: date) -> Mrr:
    """What the warehouse has, up to a day."""
    rows = synced.rows("select * from marts.fct_subscription_mrr_daily where date_day <= %s", last)
    return {(row["date_day"], row["subscription_item_id"], row["currency"]): row["mrr"] for row in rows}


def lives(config: WorldConfig, last: date) -> Iterator[tuple[Frame, Seller, Timeline]]:
    """Everybody who has subscribed by the end of a day."""
    commerce = Commerce(World(config))
    for seller in commerce.sellers:
        frame = Frame(seller, lambda _coupon, _until: 0, 10)
        for life in commerce.payers(seller, _end(last) // STEPS):
            if life.subscription is not None and life.subscription.created < _end(last):
                yield frame, seller, life


def mrr_of(config: WorldConfig, first: date, last: date) -> Mrr:
    """What items of paying subscriptions bring in a month, at the end of each day in UTC."""
    found: Mrr = {}
    for frame, seller, life in lives(config, last):
        for number in range((last - first).days + 1):
            day = first + timedelta(days=number)
            subscription = life.subscription
            assert subscription
            if subscription.created >= _end(day):
                continue
            terms = subscription.at(_end(day) - 1)
            for item in terms.items if pays(terms) else ():
                price = seller.price(item.product, life.customer.market, yearly=life.customer.yearly)
                amount = Fraction(price.amount * item.seats, 10**life.customer.market.digits)
                amount /= 12 if life.customer.yearly else 1
                # Those that take an amount off do so once, which does not recur.
                if terms.discounted and life.discount and life.discount.coupon == PERCENT_COUPON:
                    amount *= 1 - Fraction(PERCENT_OFF, 100)
                found[day, frame.of("subscription_item", life, item.serial), price.market.currency] = _rounded(amount)
    return found


def pays(terms: Terms) -> bool:
    """Whether these terms bring anything."""
    return terms.status in ("active", "past_due") and terms.pause is None


def _rounded(amount: Fraction) -> Decimal:
    return Decimal(int(amount * 1_000_000 + Fraction(1, 2))) / 1_000_000


def _end(day: date) -> int:
    """The first tick after a day."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return int(midnight.timestamp()) * STEPS
