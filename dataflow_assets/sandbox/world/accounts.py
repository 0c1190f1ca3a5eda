"""Ad accounts: one currency and one time zone each, both for life."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.config import WorldConfig


@dataclass(frozen=True)
class Market:
    """Where an account advertises.

    `digits` is how many decimals its money has; `price_level` is what a euro cent costs there, in thousandths of the
    currency's smallest unit.
    """

    currency: str
    digits: int
    zone: str
    country: str
    price_level: int


# Chosen for what breaks: a zone behind UTC, one far ahead of it, one off by half an hour, a currency without
# decimals, daylight saving on both hemispheres. Further accounts go round again.
MARKETS = (
    Market("EUR", 2, "Europe/Berlin", "DE", 1_000),
    Market("USD", 2, "America/Los_Angeles", "US", 1_100),
    Market("JPY", 0, "Asia/Tokyo", "JP", 1_600),
    Market("NZD", 2, "Pacific/Auckland", "NZ", 1_900),
    Market("GBP", 2, "Europe/London", "GB", 850),
    Market("INR", 2, "Asia/Kolkata", "IN", 40_000),
    Market("BRL", 2, "America/Sao_Paulo", "BR", 5_500),
    Market("AUD", 2, "Australia/Adelaide", "AU", 1_700),
)

# LinkedIn reports every account's days in UTC.
_UTC_PLATFORMS = frozenset({"linkedin_ads"})

_BRANDS = (
    "Nordlicht",
    "Alma & Söhne",
    "Kestrel Outdoor",
    "Kōhai Tea",
    "Brightside",
    "Café Luz",
    "Tidewater",
    "Fernweh",
)


@dataclass(frozen=True, slots=True, eq=False)
class Account:
    """An ad account of one platform. `created` is in unix seconds; equality is identity, one object per world."""

    platform: str
    index: int
    salt: bytes
    name: str
    market: Market
    zone: ZoneInfo
    created: int

    def local(self, instant: int) -> datetime:
        """An instant as the account's wall clocks show it."""
        return datetime.fromtimestamp(instant, self.zone)


def build_account(config: WorldConfig, platform: str, index: int) -> Account:
    """The platform's account number `index`; it was opened one to three years before the world's history starts."""
    identity = salt(config.seed, platform, "account", index)
    age, hour, *_ = draws(identity, 0)
    market = MARKETS[index % len(MARKETS)]
    zone = ZoneInfo("UTC" if platform in _UTC_PLATFORMS else market.zone)
    opened = config.start - timedelta(days=between(age, 365, 1_095))
    created = datetime(opened.year, opened.month, opened.day, between(hour, 8, 18), 20, 31, tzinfo=zone)
    round_number = index // len(MARKETS)
    name = f"{_BRANDS[index % len(_BRANDS)]} {market.country}" + (f" {round_number + 1}" if round_number else "")
    return Account(platform, index, identity, name, market, zone, int(created.timestamp()))
