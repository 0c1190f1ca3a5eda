"""People: each comes on some day, most of them by a click on an ad; some are sold to, and some end up paying.

A person is a pure function of the seed and of a number, which counts them by day of arrival (UTC). What the platforms
claim to have caused and who really came are two different things here, as they are anywhere.
"""

from dataclasses import dataclass
from enum import StrEnum

from dataflow_assets.sandbox.world.accounts import MARKETS, Account, Market
from dataflow_assets.sandbox.world.campaigns import Ad
from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.config import WorldConfig

DAY_SECONDS = 86_400
NUMBERS_PER_DAY = 1_000  # more than ever come in one
_UNIX_EPOCH_ORDINAL = 719_163

# Dinars have three decimals; nobody advertises there, but somebody pays from there.
_CUSTOMER_MARKETS = (*MARKETS, Market("KWD", 3, "Asia/Kuwait", "KW", 3_300))
SALES_PEOPLE = 5

_FIRST = ("Ada", "Björn", "Chloé", "Deniz", "Emeka", "Fatima", "Goro", "Hana", "Inés", "Jürgen", "Kōji", "Lucía", "Mei")
_LAST = ("Abel", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "Gómez", "Haddad", "Ito", "Jansen", "Kovač", "Lind")
_COMPANY = (
    "Lumen",
    "Harbor",
    "Nimbus",
    "Orchard",
    "Quarry",
    "Ridge",
    "Sable",
    "Tern",
    "Umbra",
    "Vale",
    "Wren",
    "Zephyr",
)
_TRADE = ("Labs", "GmbH", "Studio", "Foods", "Logistics", "Söhne", "Analytics", "Textiles", "& Co", "Robotics")
_TAGS = str.maketrans({"ö": "oe", "é": "e", "ō": "o", "í": "i", "ü": "ue", "č": "c", "ó": "o"})


# Which platform a person comes from, in hundredths, added up; the rest come by themselves.
_PLATFORM_BELOW = (("google_ads", 35), ("meta_ads", 65), ("linkedin_ads", 80))


class Stage(StrEnum):
    """Where a deal stands."""

    APPOINTMENT = "appointment"
    QUALIFIED = "qualified"
    PRESENTATION = "presentation"
    CONTRACT = "contract"
    WON = "won"
    LOST = "lost"


OPEN_STAGES = (Stage.APPOINTMENT, Stage.QUALIFIED, Stage.PRESENTATION, Stage.CONTRACT)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is sold, by seat. `price` is euro cents per seat and month."""

    name: str
    price: int


PLANS = (Plan("Starter", 2_900), Plan("Team", 4_900), Plan("Business", 9_900))
MONTHS_PAID_FOR_A_YEAR = 10


@dataclass(frozen=True, slots=True, eq=False)
class Company:
    """Whom a person works for; two colleagues can come one after the other."""

    number: int
    salt: bytes
    name: str
    domain: str
    market: Market
    employees: int


@dataclass(frozen=True, slots=True)
class Deal:
    """A sale in the making. `steps` are (unix seconds, stage), oldest first; `amount` is a year in minor units."""

    amount: int
    currency: str
    steps: tuple[tuple[int, Stage], ...]

    @property
    def created(self) -> int:
        """Unix seconds."""
        return self.steps[0][0]


@dataclass(frozen=True, slots=True, eq=False)
class Customer:
    """A person. Instants in unix seconds.

    `ad` and `click_id` tell the click that brought them (None and "" when they came by themselves); `pays_from` is when
    they begin to pay, None if never; `trial_days` go before the first invoice. `owner` counts sales people from 0.
    """

    number: int
    salt: bytes
    first_name: str
    last_name: str
    email: str
    company: Company
    ad: Ad | None
    click_id: str
    arrived: int
    owner: int
    plan: Plan
    seats: int
    yearly: bool
    trial_days: int
    deal: Deal | None
    pays_from: int | None

    @property
    def market(self) -> Market:
        """Where they live and in which currency they pay."""
        return self.company.market

    @property
    def seat_price(self) -> int:
        """Minor units per seat and billing period."""
        return seat_price(self.plan, self.market, yearly=self.yearly)


def seat_price(plan: Plan, market: Market, *, yearly: bool) -> int:
    """Minor units per seat and month or year; the last of three decimals is always 0, as card networks want it."""
    price = plan.price * market.price_level // 1_000 * (MONTHS_PAID_FOR_A_YEAR if yearly else 1)
    return max(10, price // 10 * 10)


def markets() -> tuple[Market, ...]:
    """Every market somebody may pay in."""
    return _CUSTOMER_MARKETS


def numbers_of_day(config: WorldConfig, day: int) -> range:
    """The numbers of those who come on a day (an ordinal, UTC), in order of arrival. Nobody comes before the start."""
    since = day - config.start.toordinal()
    if since < 0:
        return range(0)
    crowd, *_ = draws(salt(config.seed, "arrivals"), day)
    most = config.customers_per_day
    count = between(crowd, most * 60 // 100, most * 140 // 100)
    return range(since * NUMBERS_PER_DAY, since * NUMBERS_PER_DAY + count)


def arrival(config: WorldConfig, number: int) -> int:
    """Unix seconds at which a person comes; later numbers come later."""
    day = config.start.toordinal() + number // NUMBERS_PER_DAY
    numbers = numbers_of_day(config, day)
    slot = DAY_SECONDS // max(1, len(numbers))
    late, *_ = draws(_identity(config, number), 0)
    return (day - _UNIX_EPOCH_ORDINAL) * DAY_SECONDS + (number - numbers.start) * slot + between(late, 0, slot - 1)


def build_customer(config: WorldConfig, number: int, ad: Ad | None, company: Company) -> Customer:
    """The person of that number, whom `ad` brought."""
    identity = _identity(config, number)
    first, last, seats, plan, yearly, owner, trial, click = draws(identity, 1)
    first_name, last_name = _FIRST[between(first, 0, len(_FIRST) - 1)], _LAST[between(last, 0, len(_LAST) - 1)]
    arrived = arrival(config, number)
    sold = PLANS[between(plan, 0, len(PLANS) - 1)]
    is_yearly = between(yearly, 0, 99) < 25  # noqa: PLR2004 - a quarter pays for a year
    seat_count = between(seats, 1, min(40, company.employees))
    deal, pays_from = _sale(identity, arrived, company.market, sold, seat_count)
    mailbox = f"{first_name}.{last_name}{number}".lower().translate(_TAGS)
    return Customer(
        number,
        identity,
        first_name,
        last_name,
        f"{mailbox}@{company.domain}",
        company,
        ad,
        f"{identity.hex()[:20]}{click % 10_000:04d}" if ad else "",
        arrived,
        between(owner, 0, SALES_PEOPLE - 1),
        sold,
        seat_count,
        is_yearly,
        14 if deal is None and between(trial, 0, 1) else 0,
        deal,
        pays_from,
    )


def founder(config: WorldConfig, number: int) -> int:
    """The number of whoever came first from the same company: oneself, or the one who came just before."""
    shared, *_ = draws(_identity(config, number), 2)
    # Only even numbers found a company that others join, so that a chain never has to be followed.
    joins = number % 2 == 1 and between(shared, 0, 9) < 4  # noqa: PLR2004 - two in five of every second
    return number - 1 if joins else number


def build_company(config: WorldConfig, number: int, account: Account | None) -> Company:
    """The company that person founds here; it is where the ad account that brought them advertises."""
    identity = salt(config.seed, "company", number)
    name, trade, where, size, *_ = draws(identity, 0)
    market = account.market if account else _CUSTOMER_MARKETS[between(where, 0, len(_CUSTOMER_MARKETS) - 1)]
    word, kind = _COMPANY[between(name, 0, len(_COMPANY) - 1)], _TRADE[between(trade, 0, len(_TRADE) - 1)]
    domain = f"{word}{number}.example".lower()
    return Company(number, identity, f"{word} {kind} {number}", domain, market, between(size, 2, 400))


def sources(config: WorldConfig, number: int) -> tuple[str | None, tuple[int, ...]]:
    """The platform whose ad a person clicks, if any, and draws to find the ad by."""
    platform, *where = draws(_identity(config, number), 4)
    share = between(platform, 0, 99)
    for name, below in _PLATFORM_BELOW:
        if share < below:
            return name, tuple(where)
    return None, ()


def _sale(identity: bytes, arrived: int, market: Market, plan: Plan, seats: int) -> tuple[Deal | None, int | None]:
    """The deal, if a sales person is involved, and when the person begins to pay, if ever."""
    way, begin, depth, won, *gaps = draws(identity, 3)
    share = between(way, 0, 99)
    if share < 40:  # noqa: PLR2004 - two in five only look
        return None, None
    if share < 60:  # noqa: PLR2004 - one in five buys alone, within three days
        return None, arrived + between(begin, 600, 3 * DAY_SECONDS)
    at = arrived + between(begin, 3_600, 6 * DAY_SECONDS)
    reached = between(depth, 1, len(OPEN_STAGES))
    steps = []
    for stage, gap in zip(OPEN_STAGES[:reached], gaps, strict=False):
        steps.append((at, stage))
        at += between(gap, 7_200, 9 * DAY_SECONDS)
    is_won = reached == len(OPEN_STAGES) and between(won, 0, 99) < 80  # noqa: PLR2004 - contracts sent are mostly signed
    steps.append((at, Stage.WON if is_won else Stage.LOST))
    deal = Deal(seat_price(plan, market, yearly=True) * seats, market.currency, tuple(steps))
    return deal, at + 1_800 if is_won else None


def _identity(config: WorldConfig, number: int) -> bytes:
    return salt(config.seed, "customer", number)
