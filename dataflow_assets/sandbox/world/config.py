"""What a world is made from. Two worlds with equal configuration are equal, figure by figure."""

from dataclasses import dataclass
from datetime import date

# The vendors' ids have a fixed number of digits for each of these; see the `ids` module of each vendor.
_MOST = {
    "meta_accounts": 9_999,
    "google_accounts": 9_999,
    "linkedin_accounts": 9_999,
    "stripe_accounts": 99,
    "hubspot_portals": 9,
    "customers_per_day": 500,
    "campaigns_per_account": 99_999,
    "ad_sets_per_campaign": 99,
    "ads_per_ad_set": 99,
}


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """Size and seed of a world.

    Its history begins on `start` (a calendar day in each account's own zone). Whatever happens to campaigns and ads
    (renames, pauses, deletions) is spread over the `days` after it; later, what still runs keeps running.
    """

    start: date = date(2026, 1, 1)
    days: int = 120
    seed: int = 7
    meta_accounts: int = 4
    google_accounts: int = 3
    linkedin_accounts: int = 2
    stripe_accounts: int = 1
    hubspot_portals: int = 1
    customers_per_day: int = 6
    campaigns_per_account: int = 6
    ad_sets_per_campaign: int = 2
    ads_per_ad_set: int = 3

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ValueError(f"A world needs at least one day, not {self.days}.")
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not 1 <= value <= most:
                raise ValueError(f"{name} must lie between 1 and {most}, not {value}.")
