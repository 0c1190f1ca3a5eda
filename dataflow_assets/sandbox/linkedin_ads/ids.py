"""LinkedIn's ids for things of the world, and back. They are arithmetic, so nothing has to be looked up.

All are odd and have 17 digits: more than a double holds exactly, so that whoever reads them as floats is found out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, World

NAME = "linkedin_ads"

Entity = Account | Campaign | AdSet | Ad

_ACCOUNTS_FROM = 50_800_000_000_000_011
_ACCOUNT_STEP = 1_000_000_006
_PREFIX = "610"
_DIGITS = 17
_GROUP, _CAMPAIGN, _CREATIVE, _RULE = "1", "3", "5", "7"


@dataclass(frozen=True)
class ConversionRule:
    """What counts as a conversion of an account; the world has one for each: a purchase."""

    account: Account


URN_TYPES: Mapping[type, str] = {
    Account: "urn:li:sponsoredAccount",
    Campaign: "urn:li:sponsoredCampaignGroup",
    AdSet: "urn:li:sponsoredCampaign",
    Ad: "urn:li:sponsoredCreative",
    ConversionRule: "urn:lla:llaPartnerConversion",
}


def number(node: Entity | ConversionRule) -> int:
    """The id of a thing as a number."""
    if isinstance(node, Account):
        return _ACCOUNTS_FROM + node.index * _ACCOUNT_STEP
    if isinstance(node, ConversionRule):
        return int(f"{_PREFIX}{node.account.index:04}{0:09}{_RULE}")
    if isinstance(node, Campaign):
        return _number(_GROUP, node)
    if isinstance(node, AdSet):
        return _number(_CAMPAIGN, node.campaign, node)
    return _number(_CREATIVE, node.ad_set.campaign, node.ad_set, node)


def urn(node: Entity | ConversionRule) -> str:
    """The id of a thing as others refer to it: `urn:li:sponsoredCampaign:61000000000101003`."""
    return f"{URN_TYPES[type(node)]}:{number(node)}"


def organization(account: Account) -> str:
    """The URN of the page that an account advertises for."""
    return f"urn:li:organization:{90_000_001 + account.index}"


def account_of(world: World, text: str) -> Account | None:
    """The account with these digits."""
    if not _is_id(text):
        return None
    index, rest = divmod(int(text) - _ACCOUNTS_FROM, _ACCOUNT_STEP)
    accounts = world.accounts(NAME)
    return accounts[index] if rest == 0 and 0 <= index < len(accounts) else None


def entity_of(world: World, kind: type, text: str) -> Entity | None:
    """The thing of a kind with these digits, whether it exists yet or not; None for an id that never will."""
    if kind is Account:
        return account_of(world, text)
    if not _is_id(text) or not text.startswith(_PREFIX):
        return None
    in_account, in_group, in_campaign, in_creative = (
        int(part) for part in (text[3:7], text[7:12], text[12:14], text[14:16])
    )
    accounts = world.accounts(NAME)
    config = world.config
    if in_account >= len(accounts) or not 1 <= in_group <= config.campaigns_per_account:
        return None
    group = world.campaign(accounts[in_account], in_group - 1)
    found: Campaign | AdSet | Ad = group
    if in_campaign:
        if in_campaign > config.ad_sets_per_campaign:
            return None
        found = campaign = world.ad_set(group, in_campaign - 1)
        if in_creative:
            if in_creative > config.ads_per_ad_set:
                return None
            found = world.ad(campaign, in_creative - 1)
    # Only the thing's own id leads to it: digits that say "campaign" and name a creative lead nowhere.
    return found if type(found) is kind and str(number(found)) == text else None


def from_urn(world: World, kind: type, text: str) -> Entity | None:
    """The thing that a URN of a kind stands for; None for one that never will be.

    Raises:
        ValueError: the text is no URN of that kind.
    """
    prefix, _, digits = text.rpartition(":")
    if prefix != URN_TYPES[kind] or not digits.isascii() or not digits.isdigit():
        raise ValueError(f"{text!r} is not a {URN_TYPES[kind]}")
    return entity_of(world, kind, digits)


def _is_id(text: str) -> bool:
    return len(text) == _DIGITS and text.isascii() and text.isdigit()


def _number(kind: str, group: Campaign, campaign: AdSet | None = None, creative: Ad | None = None) -> int:
    in_campaign = campaign.index + 1 if campaign else 0
    in_creative = creative.index + 1 if creative else 0
    return int(f"{_PREFIX}{group.account.index:04}{group.index + 1:05}{in_campaign:02}{in_creative:02}{kind}")
