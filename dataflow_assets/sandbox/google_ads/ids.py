"""Google's ids and resource names for things of the world. They are arithmetic, so nothing has to be looked up.

Customers have 10 digits, more than 32 bits hold; everything else has 16 and is more than a double can hold exactly, so
that whoever reads ids as numbers is found out.
"""

from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, World

MANAGER_ID = "2718281828"
"""The manager account above all clients."""

CANCELED_ID = "2987654321"
"""A hidden client of the manager that was cancelled; the world has no account for it."""

_CLIENTS_FROM = 3_100_000_013
_CLIENT_STEP = 600_011
_PREFIX = "92"
_CAMPAIGN, _AD_GROUP, _AD, _BUDGET, _ACTION = "1", "2", "3", "4", "5"
_DIGITS = 16


def client_id(account: Account) -> str:
    """The customer id of an account, as paths have it: without dashes."""
    return str(_CLIENTS_FROM + account.index * _CLIENT_STEP)


def client_of(world: World, digits: str) -> Account | None:
    """The account with this customer id."""
    if not digits.isascii() or not digits.isdigit():
        return None
    index, rest = divmod(int(digits) - _CLIENTS_FROM, _CLIENT_STEP)
    accounts = world.accounts("google_ads")
    return accounts[index] if rest == 0 and 0 <= index < len(accounts) else None


def campaign_id(campaign: Campaign) -> int:
    """The id of a campaign."""
    return _id(_CAMPAIGN, campaign.account, campaign.index + 1)


def campaign_of(world: World, account: Account, number: int) -> Campaign | None:
    """The account's campaign with this id, whether it exists yet or not."""
    text = str(number)
    if len(text) != _DIGITS or not text.startswith(_PREFIX + _CAMPAIGN):
        return None
    in_account, in_campaign, rest = int(text[3:7]), int(text[7:12]), int(text[12:])
    if in_account != account.index or rest or not 1 <= in_campaign <= world.config.campaigns_per_account:
        return None
    return world.campaign(account, in_campaign - 1)


def budget_id(campaign: Campaign) -> int:
    """The id of a campaign's budget; the world has one for each."""
    return _id(_BUDGET, campaign.account, campaign.index + 1)


def ad_group_id(ad_group: AdSet) -> int:
    """The id of an ad group."""
    return _id(_AD_GROUP, ad_group.account, ad_group.campaign.index + 1, ad_group.index + 1)


def ad_id(ad: Ad) -> int:
    """The id of an ad."""
    return _id(_AD, ad.account, ad.ad_set.campaign.index + 1, ad.ad_set.index + 1, ad.index + 1)


def action_id(account: Account, number: int) -> int:
    """The id of the account's conversion action `number`, from 0."""
    return _id(_ACTION, account, number + 1)


def campaign_name(campaign: Campaign) -> str:
    """The resource name of a campaign."""
    return f"customers/{client_id(campaign.account)}/campaigns/{campaign_id(campaign)}"


def budget_name(campaign: Campaign) -> str:
    """The resource name of a campaign's budget."""
    return f"customers/{client_id(campaign.account)}/campaignBudgets/{budget_id(campaign)}"


def ad_group_name(ad_group: AdSet) -> str:
    """The resource name of an ad group."""
    return f"customers/{client_id(ad_group.account)}/adGroups/{ad_group_id(ad_group)}"


def ad_group_ad_name(ad: Ad) -> str:
    """The resource name of an ad in its ad group."""
    return f"customers/{client_id(ad.account)}/adGroupAds/{ad_group_id(ad.ad_set)}~{ad_id(ad)}"


def ad_name(ad: Ad) -> str:
    """The resource name of an ad by itself."""
    return f"customers/{client_id(ad.account)}/ads/{ad_id(ad)}"


def action_name(account: Account, number: int) -> str:
    """The resource name of a conversion action."""
    return f"customers/{client_id(account)}/conversionActions/{action_id(account, number)}"


def _id(kind: str, account: Account, campaign: int, ad_group: int = 0, ad: int = 0) -> int:
    return int(f"{_PREFIX}{kind}{account.index:04}{campaign:05}{ad_group:02}{ad:02}")
