"""Accounts, campaign groups, campaigns and creatives as LinkedIn's entities: their fields and what stands in them.

apis/linkedin_ads.md, section 2.2 to 2.5. The world's campaign is LinkedIn's campaign group, its ad set the campaign,
its ad the creative. Ids are whole numbers, of creatives URNs; times are epoch milliseconds; budgets decimal texts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from dataflow_assets.sandbox.linkedin_ads import ids
from dataflow_assets.sandbox.linkedin_ads.errors import invalid_field
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign
from dataflow_assets.sandbox.world.campaigns import Goal, lineage
from dataflow_assets.sandbox.world.lifecycle import State, Status

REMOVED = "REMOVED"
COMPLETED = "COMPLETED"

_STATUSES = {
    Status.ACTIVE: "ACTIVE",
    Status.PAUSED: "PAUSED",
    Status.ARCHIVED: "ARCHIVED",
    Status.DELETED: REMOVED,
}
_OBJECTIVES = {Goal.SALES: "WEBSITE_CONVERSION", Goal.LEADS: "LEAD_GENERATION", Goal.TRAFFIC: "WEBSITE_VISIT"}
_OPTIMIZATION = {Goal.SALES: "MAX_CONVERSION", Goal.LEADS: "MAX_LEAD", Goal.TRAFFIC: "MAX_CLICK"}
_LANGUAGES = {"DE": "de", "JP": "ja", "BR": "pt"}
_PERSON = "urn:li:person:AbSandbox1"
_DAYS_OF_OPEN_BUDGET = 365


@dataclass(frozen=True, slots=True)
class View:
    """A thing of the world as it is at an instant (unix seconds): its state, and those of what it lives in, upward."""

    node: Any
    account: Account
    states: tuple[State, ...]
    instant: int

    @property
    def state(self) -> State:
        """Its own state."""
        return self.states[0]

    @property
    def status(self) -> str:
        """What LinkedIn calls its status; a running campaign whose schedule is over is completed."""
        return COMPLETED if _completed(self) is not None else _STATUSES[self.state.status]

    @property
    def modified(self) -> int:
        """When it last changed, in unix seconds."""
        return max(self.state.updated, _completed(self) or 0)


def view(node: ids.Entity, instant: int) -> View | None:
    """Look at a thing; None when it has not been created yet."""
    if isinstance(node, Account):
        state = State(node.name, Status.ACTIVE, 0, node.created, node.created)
        return View(node, node, (state,), instant) if node.created <= instant else None
    states = []
    for one in lineage(node):
        state_then = one.life.at(instant)
        if state_then is None:
            return None
        states.append(state_then)
    return View(node, node.account, tuple(states), instant)


def reachable(of: View) -> bool:
    """Whether it can be fetched or listed at all: a deleted creative is gone for good, and only its figures stay."""
    return not (isinstance(of.node, Ad) and of.status == REMOVED)


def _completed(of: View) -> int | None:
    """When a campaign's schedule ended, if that is what stopped it."""
    if not isinstance(of.node, AdSet) or of.state.status is not Status.ACTIVE:
        return None
    end = _end(of.node.campaign)
    return end if end is not None and end <= of.instant else None


def _end(group: Campaign) -> int | None:
    """The end of a campaign group's schedule, in unix seconds."""
    return None if group.life.end_day is None else _midnight(group.life.end_day)


def _midnight(day: int) -> int:
    return int(datetime.combine(date.fromordinal(day), time(), UTC).timestamp())


Read = Callable[[View], Any]


@dataclass(frozen=True, eq=False)
class Kind:
    """A type of entity: its resource, what it is in the world, its fields."""

    resource: str
    node: type
    fields: Mapping[str, Read]


def record(kind: Kind, of: View, fields: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The entity with the fields asked for, or all. What has no value is left out."""
    wanted = kind.fields if fields is None else {name: kind.fields[name] for name in fields}
    return {name: value for name, read in wanted.items() if (value := read(of)) is not None}


def check_fields(kind: Kind, fields: tuple[str, ...] | None) -> None:
    """Raise RestError for a field that the kind does not have, also where there is no row to show it."""
    for name in fields or ():
        if name not in kind.fields:
            raise invalid_field(name, f"{kind.resource} has no such field here")


def amount(minor: int, of: View) -> dict[str, str]:
    """Money as a budget has it: a decimal text, and its currency."""
    market = of.account.market
    whole, rest = divmod(minor, 10**market.digits)
    text = f"{whole}.{rest:0{market.digits}}" if market.digits else str(whole)
    return {"amount": text, "currencyCode": market.currency}


def _millis(seconds: int) -> int:
    return seconds * 1_000


def _audit(of: View) -> dict[str, Any]:
    return {"created": {"time": _millis(of.state.created)}, "lastModified": {"time": _millis(of.modified)}}


def _version(of: View) -> dict[str, str]:
    passed = 1 if isinstance(of.node, Account) else sum(one.updated <= of.instant for one in of.node.life.states)
    return {"versionTag": str(passed)}


def _schedule(group: Campaign, created_day: int) -> dict[str, int]:
    end = _end(group)
    schedule = {"start": _millis(_midnight(created_day + 1))}
    return schedule if end is None else {**schedule, "end": _millis(end)}


def _group_budget(of: View) -> dict[str, str] | None:
    group: Campaign = of.node
    if not group.shares_budget:
        return None
    end = group.life.end_day
    days = _DAYS_OF_OPEN_BUDGET if end is None else max(1, end - group.life.created_day)
    return amount(of.state.daily_budget * days, of)


def _stopped(of: View) -> list[str]:
    """Why a group, campaign or creative does not run, in the words of its own kind; nothing for one that runs."""
    own, above = of.status, of.states[1:]
    group = lineage(of.node)[-1]
    reasons = ["STOPPED"] if own != "ACTIVE" else []
    if isinstance(of.node, Ad) and above[0].status is not Status.ACTIVE:
        reasons.append("CAMPAIGN_STOPPED")
    if above and above[-1].status is not Status.ACTIVE:
        reasons.append("CAMPAIGN_GROUP_STATUS_HOLD")
    end = _end(group) if isinstance(group, Campaign) else None
    if end is not None and end <= of.instant and own == "ACTIVE":
        reasons.append("CAMPAIGN_GROUP_END_DATE_HOLD")
    return reasons


def _is_text_ad(campaign: AdSet) -> bool:
    return campaign.campaign.goal is Goal.TRAFFIC


def _locale(of: View) -> dict[str, str]:
    country = of.account.market.country
    return {"country": country, "language": _LANGUAGES.get(country, "en")}


def _targeting(of: View) -> dict[str, Any]:
    country = of.account.market.country
    facets = {
        "urn:li:adTargetingFacet:locations": [f"urn:li:geo:{100_000 + ord(country[0]) * 100 + ord(country[1])}"],
        "urn:li:adTargetingFacet:interfaceLocales": [f"urn:li:locale:{_locale(of)['language']}_{country}"],
    }
    return {"include": {"and": [{"or": {facet: urns}} for facet, urns in facets.items()]}}


def _content(of: View) -> dict[str, Any]:
    creative: Ad = of.node
    if not _is_text_ad(creative.ad_set):
        return {"reference": f"urn:li:share:7{ids.number(creative)}"}
    return {
        "textAd": {
            "headline": f"{of.account.name}: new",
            "description": f"Now in {of.account.market.country} →",
            "landingPage": f"https://shop.example/?utm_source=linkedin&utm_content={ids.number(creative)}",
        }
    }


ACCOUNT = Kind(
    "adAccounts",
    Account,
    {
        "id": lambda of: ids.number(of.node),
        "name": lambda of: of.node.name,
        "currency": lambda of: of.node.market.currency,
        "type": lambda of: "ENTERPRISE" if of.node.index % 2 else "BUSINESS",
        "status": lambda of: of.status,
        "test": lambda _: False,
        "reference": lambda of: ids.organization(of.node),
        "servingStatuses": lambda _: ["RUNNABLE"],
        "notifiedOnCampaignOptimization": lambda _: True,
        "notifiedOnCreativeApproval": lambda _: False,
        "notifiedOnCreativeRejection": lambda _: True,
        "notifiedOnEndOfCampaign": lambda _: True,
        "changeAuditStamps": _audit,
        "version": _version,
    },
)
GROUP = Kind(
    "adCampaignGroups",
    Campaign,
    {
        "id": lambda of: ids.number(of.node),
        "account": lambda of: ids.urn(of.account),
        "name": lambda of: of.state.name,
        "status": lambda of: of.status,
        "runSchedule": lambda of: _schedule(of.node, of.node.life.created_day),
        "totalBudget": _group_budget,
        "servingStatuses": lambda of: _stopped(of) or ["RUNNABLE"],
        "allowedCampaignTypes": lambda of: ["TEXT_AD"] if of.node.goal is Goal.TRAFFIC else ["SPONSORED_UPDATES"],
        "backfilled": lambda _: False,
        "test": lambda _: False,
        "changeAuditStamps": _audit,
    },
)
CAMPAIGN = Kind(
    "adCampaigns",
    AdSet,
    {
        "id": lambda of: ids.number(of.node),
        "account": lambda of: ids.urn(of.account),
        "campaignGroup": lambda of: ids.urn(of.node.campaign),
        "associatedEntity": lambda of: ids.organization(of.account),
        "name": lambda of: of.state.name,
        "status": lambda of: of.status,
        "type": lambda of: "TEXT_AD" if _is_text_ad(of.node) else "SPONSORED_UPDATES",
        "format": lambda of: "TEXT_AD" if _is_text_ad(of.node) else "STANDARD_UPDATE",
        "objectiveType": lambda of: _OBJECTIVES[of.node.campaign.goal],
        "costType": lambda of: "CPC" if of.node.index % 2 == 0 else "CPM",
        "dailyBudget": lambda of: None if of.node.campaign.shares_budget else amount(of.state.daily_budget, of),
        "unitCost": lambda of: amount(of.account.market.price_level * 350 // 1_000, of),
        "runSchedule": lambda of: _schedule(of.node.campaign, of.node.life.created_day),
        "optimizationTargetType": lambda of: _OPTIMIZATION[of.node.campaign.goal],
        "pacingStrategy": lambda _: "LIFETIME",
        "creativeSelection": lambda of: "OPTIMIZED" if of.node.index % 2 == 0 else "ROUND_ROBIN",
        "locale": _locale,
        "targetingCriteria": _targeting,
        "offsiteDeliveryEnabled": lambda _: True,
        "audienceExpansionEnabled": lambda _: False,
        "politicalIntent": lambda _: "NOT_POLITICAL",
        "test": lambda _: False,
        "servingStatuses": lambda of: _stopped(of) or ["RUNNABLE"],
        "changeAuditStamps": _audit,
        "version": _version,
    },
)
CREATIVE = Kind(
    "creatives",
    Ad,
    {
        "id": lambda of: ids.urn(of.node),
        "account": lambda of: ids.urn(of.account),
        "campaign": lambda of: ids.urn(of.node.ad_set),
        "content": _content,
        "name": lambda of: of.state.name,
        "intendedStatus": lambda of: of.status,
        "isServing": lambda of: not _stopped(of),
        "isTest": lambda _: False,
        "servingHoldReasons": lambda of: _stopped(of) or None,
        "review": lambda _: {"status": "APPROVED"},
        "createdAt": lambda of: _millis(of.state.created),
        "createdBy": lambda _: _PERSON,
        "lastModifiedAt": lambda of: _millis(of.modified),
        "lastModifiedBy": lambda _: _PERSON,
    },
)
KINDS: Mapping[str, Kind] = {kind.resource: kind for kind in (ACCOUNT, GROUP, CAMPAIGN, CREATIVE)}
