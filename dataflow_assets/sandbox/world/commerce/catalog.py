"""What is sold and by whom: the accounts that are paid, their products, prices and coupons."""

from dataclasses import dataclass
from datetime import UTC, datetime

from dataflow_assets.sandbox.world.accounts import MARKETS, Market
from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.commerce.events import pack
from dataflow_assets.sandbox.world.commerce.money import local_price
from dataflow_assets.sandbox.world.commerce.records import STEPS, Movement, Source
from dataflow_assets.sandbox.world.config import WorldConfig
from dataflow_assets.sandbox.world.customers import DAY_SECONDS, PLANS, markets, seat_price

ONE_OFF = len(PLANS)  # the product beside the plans
PRODUCT_NAMES = (*(plan.name for plan in PLANS), "Onboarding workshop")
PERCENT_COUPON = 0
PERCENT_OFF = 25
PERCENT_MONTHS = 3
RETIRED_PRICE = 0  # no longer sold; nobody ever subscribed to it
DESCRIBED_PRODUCT = 1  # gets a description one day

_ONE_OFF_CENTS = 49_000
_RETIRED_CENTS = 2_500
_AMOUNT_OFF_CENTS = 2_000
_SOFTWARE_FEE_CENTS = 1_000
_UNIX_EPOCH_YEAR = 1_970


@dataclass(frozen=True, slots=True)
class Price:
    """One price. `interval` is month or year, None for a one-off; `amount` is minor units per seat."""

    serial: int
    product: int
    market: Market
    interval: str | None
    amount: int


@dataclass(frozen=True, slots=True)
class Coupon:
    """A discount: PERCENT_OFF for PERCENT_MONTHS months, or `amount_off` one invoice in the market's money."""

    serial: int
    market: Market | None = None
    amount_off: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Seller:
    """An account that is paid, and its catalogue.

    Instants: `created`; `stocked`, when the catalogue was made; `described` and `retired`, when a product and a price
    of it changed; `modern_from`, when the account's default version of the API was raised.
    """

    index: int
    salt: bytes
    name: str
    market: Market
    created: int
    stocked: int
    described: int
    retired: int
    modern_from: int
    prices: tuple[Price, ...]
    coupons: tuple[Coupon, ...]

    def price(self, product: int, market: Market, *, yearly: bool) -> Price:
        """What a seat of a product costs. The one-off has no interval."""
        place = markets().index(market)
        recurring = 1 + 2 * len(PLANS) * len(markets())
        if product == ONE_OFF:
            return self.prices[recurring + place]
        return self.prices[1 + 2 * (product * len(markets()) + place) + yearly]

    def amount_coupon(self, market: Market) -> Coupon:
        """The coupon that takes an amount off in the market's currency."""
        return self.coupons[1 + markets().index(market)]

    def product_created(self, product: int) -> int:
        """The tick at which a product was made."""
        return self.stocked * STEPS + product

    def price_created(self, price: int) -> int:
        """The tick at which a price was made; many share a second."""
        return (self.stocked + 1 + price // 20) * STEPS + price

    def coupon_created(self, coupon: int) -> int:
        """The tick at which a coupon was made."""
        return (self.stocked + 60) * STEPS + coupon

    def events(self) -> list[int]:
        """Everything that ever happens to the catalogue, packed, oldest first."""
        made = [pack(self.product_created(serial), "product.created", serial) for serial in range(len(PRODUCT_NAMES))]
        made += [pack(self.price_created(price.serial), "price.created", price.serial) for price in self.prices]
        made += [pack(self.coupon_created(coupon.serial), "coupon.created", coupon.serial) for coupon in self.coupons]
        made.append(pack(self.described * STEPS, "product.updated", DESCRIBED_PRODUCT))
        made.append(pack(self.retired * STEPS, "price.updated", RETIRED_PRICE))
        return made

    def software_fees(self, until: int) -> list[Movement]:
        """What Stripe took on the first day of each month up to an instant. Serials count months since 1970."""
        fee = local_price(_SOFTWARE_FEE_CENTS, self.market)
        first, last = _month(self.stocked) + 1, _month(until)
        return [
            Movement(Source.FEE, month, _month_start(month) * STEPS, -fee, 0, None) for month in range(first, last + 1)
        ]


def build_seller(config: WorldConfig, index: int) -> Seller:
    """The account number `index`. It is older than the world; its catalogue was there before the first customer."""
    identity = salt(config.seed, "seller", index)
    age, late, *_ = draws(identity, 0)
    market = MARKETS[index % len(MARKETS)]
    start = int(datetime(config.start.year, config.start.month, config.start.day, tzinfo=UTC).timestamp())
    stocked = start - between(age, 30, 300) * DAY_SECONDS - between(late, 3_600, DAY_SECONDS - 1)
    span = config.days * DAY_SECONDS
    return Seller(
        index,
        identity,
        f"DataFlow {market.country} {index + 1}",
        market,
        created=stocked - 60 * DAY_SECONDS,
        stocked=stocked,
        described=start + span // 4,
        retired=start + span // 3,
        modern_from=start + span * (9 if index % 2 else 7) // 10,
        prices=_prices(market),
        coupons=_coupons(),
    )


def _prices(home: Market) -> tuple[Price, ...]:
    prices = [Price(RETIRED_PRICE, 0, home, "month", local_price(_RETIRED_CENTS, home))]
    for number, plan in enumerate(PLANS):
        for market in markets():
            for interval in ("month", "year"):
                amount = seat_price(plan, market, yearly=interval == "year")
                prices.append(Price(len(prices), number, market, interval, amount))
    for market in markets():
        prices.append(Price(len(prices), ONE_OFF, market, None, local_price(_ONE_OFF_CENTS, market)))
    return tuple(prices)


def _coupons() -> tuple[Coupon, ...]:
    amounts = (
        Coupon(number + 1, market, local_price(_AMOUNT_OFF_CENTS, market)) for number, market in enumerate(markets())
    )
    return (Coupon(PERCENT_COUPON), *amounts)


def _month(instant: int) -> int:
    date = datetime.fromtimestamp(instant, UTC)
    return (date.year - _UNIX_EPOCH_YEAR) * 12 + date.month - 1


def _month_start(month: int) -> int:
    return int(datetime(_UNIX_EPOCH_YEAR + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp())
