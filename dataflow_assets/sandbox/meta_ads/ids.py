"""Meta's ids for things of the world, and back. They are arithmetic, so nothing has to be looked up.

Accounts have 15 digits, everything else 18: more than a double can hold exactly, so that whoever reads ids as numbers
is found out.
"""

from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, World

_ACCOUNTS_FROM = 920_000_000_000_011
_ACCOUNT_STEP = 1_000_000_007
_PREFIX = "1202"
_CAMPAIGN, _AD_SET, _AD, _CREATIVE = "1", "2", "3", "4"

Entity = Account | Campaign | AdSet | Ad


class Creative:
    """The creative of an ad; the world has one for each."""

    __slots__ = ("ad",)

    def __init__(self, ad: Ad) -> None:
        self.ad = ad


def account_id(account: Account) -> str:
    """Digits only; the node is `act_` and these."""
    return str(_ACCOUNTS_FROM + account.index * _ACCOUNT_STEP)


def campaign_id(campaign: Campaign) -> str:
    """The id of a campaign."""
    return _id(_CAMPAIGN, campaign)


def ad_set_id(ad_set: AdSet) -> str:
    """The id of an ad set."""
    return _id(_AD_SET, ad_set.campaign, ad_set)


def ad_id(ad: Ad) -> str:
    """The id of an ad."""
    return _id(_AD, ad.ad_set.campaign, ad.ad_set, ad)


def creative_id(ad: Ad) -> str:
    """The id of an ad's creative."""
    return _id(_CREATIVE, ad.ad_set.campaign, ad.ad_set, ad)


def account_of(world: World, digits: str) -> Account | None:
    """The account with these digits."""
    if not digits.isascii() or not digits.isdigit():
        return None
    index, rest = divmod(int(digits) - _ACCOUNTS_FROM, _ACCOUNT_STEP)
    accounts = world.accounts("meta_ads")
    return accounts[index] if rest == 0 and 0 <= index < len(accounts) else None


def entity_of(world: World, text: str) -> Campaign | AdSet | Ad | Creative | None:
    """What an id stands for, whether it exists yet or not; None for an id that never will."""
    if len(text) != 18 or not text.isascii() or not text.isdigit() or not text.startswith(_PREFIX):  # noqa: PLR2004
        return None
    kind = text[4]
    in_account, in_campaign, in_ad_set, in_ad = (int(part) for part in (text[5:9], text[9:14], text[14:16], text[16:]))
    config = world.config
    accounts = world.accounts("meta_ads")
    if in_account >= len(accounts) or not 1 <= in_campaign <= config.campaigns_per_account:
        return None
    campaign = world.campaign(accounts[in_account], in_campaign - 1)
    if kind == _CAMPAIGN:
        return campaign if in_ad_set == in_ad == 0 else None
    if not 1 <= in_ad_set <= config.ad_sets_per_campaign:
        return None
    ad_set = world.ad_set(campaign, in_ad_set - 1)
    if kind == _AD_SET:
        return ad_set if in_ad == 0 else None
    if not 1 <= in_ad <= config.ads_per_ad_set or kind not in (_AD, _CREATIVE):
        return None
    ad = world.ad(ad_set, in_ad - 1)
    return ad if kind == _AD else Creative(ad)


def _id(kind: str, campaign: Campaign, ad_set: AdSet | None = None, ad: Ad | None = None) -> str:
    in_ad_set = ad_set.index + 1 if ad_set else 0
    in_ad = ad.index + 1 if ad else 0
    return f"{_PREFIX}{kind}{campaign.account.index:04}{campaign.index + 1:05}{in_ad_set:02}{in_ad:02}"
