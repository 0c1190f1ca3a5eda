"""Accounts, campaigns, ad sets, ads and creatives as Meta's nodes: which fields they have and what stands in them.

Field names and types: apis/meta_ads.md, section 2.2 and 2.3. Budgets are strings in minor units, times are in the
account's zone, and what has no value is left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from dataflow_assets.sandbox.meta_ads import ids
from dataflow_assets.sandbox.meta_ads.errors import GraphError, invalid
from dataflow_assets.sandbox.meta_ads.requests import Fields
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign
from dataflow_assets.sandbox.world.campaigns import Goal, lineage
from dataflow_assets.sandbox.world.chance import draws
from dataflow_assets.sandbox.world.lifecycle import Life, State, Status

_OBJECTIVES = {Goal.SALES: "OUTCOME_SALES", Goal.LEADS: "OUTCOME_LEADS", Goal.TRAFFIC: "OUTCOME_TRAFFIC"}
_OPTIMIZATION = {
    Goal.SALES: "OFFSITE_CONVERSIONS",
    Goal.LEADS: "LEAD_GENERATION",
    Goal.TRAFFIC: "LINK_CLICKS",
}
_TIMEZONE_IDS = {"America/Los_Angeles": 1, "Europe/Berlin": 47}  # the others are made up, from 200 on
_TIME = "%Y-%m-%dT%H:%M:%S%z"
_PAUSED_ABOVE = {Campaign: "CAMPAIGN_PAUSED", AdSet: "ADSET_PAUSED"}
_BUSINESS = {"id": "930000000000077", "name": "DataFlow Sandbox Ltd"}


@dataclass(frozen=True, slots=True)
class View:
    """A thing of the world as it is at an instant (unix seconds): its own state and the status Meta derives for it."""

    node: Any
    account: Account
    state: State
    effective_status: str
    instant: int


def view(node: ids.Entity | ids.Creative, instant: int) -> View | None:
    """Look at a thing; None when it has not been created yet."""
    if isinstance(node, Account):
        state = State(node.name, Status.ACTIVE, 0, node.created, node.created)
        return View(node, node, state, Status.ACTIVE, instant) if node.created <= instant else None
    if isinstance(node, ids.Creative):
        ad = view(node.ad, instant)
        return ad and View(node, ad.account, ad.state, Status.ACTIVE, instant)
    states: list[tuple[type, State]] = []
    for one in lineage(node):
        found = one.life.at(instant)
        if found is None:
            return None
        states.append((type(one), found))
    return View(node, node.account, states[0][1], _effective(states), instant)


def _effective(states: list[tuple[type, State]]) -> str:
    """Its own status, unless one it lives in is gone or, while it is active itself, paused. The highest counts."""
    everyone = [state.status for _, state in states]
    for gone in (Status.DELETED, Status.ARCHIVED):
        if gone in everyone:
            return gone
    own = everyone[0]
    paused = [kind for kind, state in states if state.status is Status.PAUSED]
    return _PAUSED_ABOVE[paused[-1]] if paused and own is Status.ACTIVE else own


@dataclass(frozen=True)
class Kind:
    """A type of node.

    `inner` are references that can be expanded as `name{field,...}`; `empty` are fields of Meta's that can be asked
    for and never have a value here.
    """

    name: str
    prefix: str
    fields: Mapping[str, Callable[[View], Any]]
    inner: Mapping[str, tuple["Kind", Callable[[View], ids.Entity | ids.Creative]]]
    default: tuple[str, ...] = ("id",)
    empty: frozenset[str] = frozenset()


def record(kind: Kind, of: View, fields: Fields | None) -> dict[str, Any]:
    """The node with the fields asked for, `id` always among them; GraphError 100 for a field it does not have."""
    row: dict[str, Any] = {}
    for name, inside in (fields or dict.fromkeys(kind.default)).items():
        if name in kind.inner:
            inner_kind, look = kind.inner[name]
            inner = view(look(of), of.instant)
            row[name] = record(inner_kind, inner, inside) if inner else None
        elif name in kind.fields and inside is None:
            row[name] = kind.fields[name](of)
        elif name not in kind.empty:
            raise _no_field(kind, name)
    row.setdefault("id", kind.fields["id"](of))
    return {name: value for name, value in row.items() if value is not None}


def check_fields(kind: Kind, fields: Fields | None) -> None:
    """Raise GraphError 100 for a field the kind does not have, also where there is no row to show it."""
    for name, inside in (fields or {}).items():
        if name in kind.inner:
            check_fields(kind.inner[name][0], inside)
        elif inside is not None or (name not in kind.fields and name not in kind.empty):
            raise _no_field(kind, name)


def _no_field(kind: Kind, name: str) -> GraphError:
    return invalid(f"Tried accessing nonexisting field ({name}) on node type ({kind.name})")


def time_text(account: Account, instant: int) -> str:
    """An instant as Meta writes it: `2026-03-01T09:15:00+0100`, in the account's zone."""
    return account.local(instant).strftime(_TIME)


def _day_text(account: Account, day: int) -> str:
    return datetime.combine(date.fromordinal(day), time(), account.zone).strftime(_TIME)


def _hours_from_utc(of: View) -> float:
    offset = of.account.local(of.instant).utcoffset()
    return offset.total_seconds() / 3_600 if offset is not None else 0.0


def _amount_spent(of: View) -> str:
    # Grows with time like Meta's, but is not the sum of the insights: that would cost a walk through all history.
    days = (of.instant - of.node.created) // 86_400
    return str(days * (10_000 + of.node.index * 100) * of.account.market.price_level // 1_000)


def _timezone_id(of: View) -> int:
    return _TIMEZONE_IDS.get(of.account.market.zone, 200 + of.account.index % 8)


ACCOUNT = Kind(
    "AdAccount",
    "account",
    {
        "id": lambda of: f"act_{ids.account_id(of.node)}",
        "account_id": lambda of: ids.account_id(of.node),
        "name": lambda of: of.node.name,
        "currency": lambda of: of.node.market.currency,
        "timezone_name": lambda of: of.node.market.zone,
        "timezone_id": _timezone_id,
        "timezone_offset_hours_utc": _hours_from_utc,
        "account_status": lambda _: 1,
        "disable_reason": lambda _: 0,
        "created_time": lambda of: time_text(of.account, of.state.created),
        "amount_spent": _amount_spent,
        "balance": lambda _: "0",
        "spend_cap": lambda _: "0",
        "min_daily_budget": lambda of: max(1, of.account.market.price_level // 10),
        "business": lambda _: _BUSINESS,
    },
    {},
    default=("account_id", "id"),
    empty=frozenset({"end_advertiser", "end_advertiser_name", "funding_source", "owner", "partner", "tax_id"}),
)


def _daily_budget(of: View) -> str | None:
    return str(of.state.daily_budget) if of.node.life.end_day is None else None


def _lifetime_budget(of: View) -> str | None:
    life: Life = of.node.life
    return None if life.end_day is None else str(of.state.daily_budget * (life.end_day - life.created_day))


def _budget_remaining(of: View) -> str:
    return str(of.state.daily_budget // 3) if of.state.status is Status.ACTIVE else "0"


def _stop_time(of: View) -> str | None:
    end = of.node.life.end_day
    return None if end is None else _day_text(of.account, end)


CAMPAIGN = Kind(
    "Campaign",
    "campaign",
    {
        "id": lambda of: ids.campaign_id(of.node),
        "account_id": lambda of: ids.account_id(of.account),
        "name": lambda of: of.state.name,
        "objective": lambda of: _OBJECTIVES[of.node.goal],
        "status": lambda of: of.state.status.value,
        "configured_status": lambda of: of.state.status.value,
        "effective_status": lambda of: str(of.effective_status),
        "buying_type": lambda _: "AUCTION",
        "bid_strategy": lambda of: "LOWEST_COST_WITHOUT_CAP" if of.node.shares_budget else None,
        "daily_budget": lambda of: _daily_budget(of) if of.node.shares_budget else None,
        "lifetime_budget": lambda of: _lifetime_budget(of) if of.node.shares_budget else None,
        "budget_remaining": _budget_remaining,
        "special_ad_categories": lambda _: [],
        "start_time": lambda of: _day_text(of.account, of.node.life.created_day + 1),
        "stop_time": _stop_time,
        "created_time": lambda of: time_text(of.account, of.state.created),
        "updated_time": lambda of: time_text(of.account, of.state.updated),
    },
    {"account": (ACCOUNT, lambda of: of.account)},
    empty=frozenset({"spend_cap", "adlabels", "issues_info", "recommendations", "source_campaign_id", "topline_id"}),
)
AD_SET = Kind(
    "AdSet",
    "adset",
    {
        "id": lambda of: ids.ad_set_id(of.node),
        "account_id": lambda of: ids.account_id(of.account),
        "campaign_id": lambda of: ids.campaign_id(of.node.campaign),
        "name": lambda of: of.state.name,
        "status": lambda of: of.state.status.value,
        "configured_status": lambda of: of.state.status.value,
        "effective_status": lambda of: str(of.effective_status),
        "optimization_goal": lambda of: _OPTIMIZATION[of.node.campaign.goal],
        "billing_event": lambda _: "IMPRESSIONS",
        "bid_amount": lambda of: of.account.market.price_level * 350 // 1_000 if of.node.index % 2 else None,
        "bid_strategy": lambda of: "LOWEST_COST_WITH_BID_CAP" if of.node.index % 2 else "LOWEST_COST_WITHOUT_CAP",
        "daily_budget": lambda of: None if of.node.campaign.shares_budget else _daily_budget(of),
        "budget_remaining": _budget_remaining,
        "attribution_spec": lambda _: [
            {"event_type": "CLICK_THROUGH", "window_days": 7},
            {"event_type": "VIEW_THROUGH", "window_days": 1},
        ],
        "promoted_object": lambda of: (
            {"pixel_id": f"94{of.account.index:013}", "custom_event_type": "PURCHASE"}
            if of.node.campaign.goal is Goal.SALES
            else None
        ),
        "targeting": lambda of: {
            "age_min": 18 + of.node.index % 3 * 7,
            "age_max": 65,
            "geo_locations": {"countries": [of.account.market.country], "location_types": ["home", "recent"]},
        },
        "start_time": lambda of: _day_text(of.account, of.node.life.created_day + 1),
        "end_time": lambda of: (
            None if of.node.campaign.life.end_day is None else _day_text(of.account, of.node.campaign.life.end_day)
        ),
        "created_time": lambda of: time_text(of.account, of.state.created),
        "updated_time": lambda of: time_text(of.account, of.state.updated),
    },
    {"campaign": (CAMPAIGN, lambda of: of.node.campaign)},
    empty=frozenset(
        {
            "adlabels",
            "issues_info",
            "recommendations",
            "bid_info",
            "destination_type",
            "lifetime_budget",
            "source_adset_id",
        }
    ),
)


def _body(of: View) -> str | None:
    luck = draws(of.node.ad.salt, 2)[0]
    return f"Now in {of.account.market.country}: free shipping this week.\nSee what's new →" if luck % 4 else None


CREATIVE = Kind(
    "AdCreative",
    "creative",
    {
        "id": lambda of: ids.creative_id(of.node.ad),
        "account_id": lambda of: ids.account_id(of.account),
        "name": lambda of: f"{of.node.ad.life.states[0].name} creative",
        "status": lambda _: "ACTIVE",
        "title": lambda of: f"{of.account.name}: {of.node.ad.life.states[0].name}",
        "body": _body,
        "object_type": lambda of: "VIDEO" if "Video" in of.node.ad.life.states[0].name else "SHARE",
        "object_story_id": lambda of: f"95{of.account.index:013}_{ids.creative_id(of.node.ad)}",
        "thumbnail_url": lambda of: f"https://images.example/{ids.creative_id(of.node.ad)}.jpg",
        "call_to_action_type": lambda of: "SHOP_NOW" if of.node.ad.ad_set.campaign.goal is Goal.SALES else "LEARN_MORE",
        "url_tags": lambda of: f"utm_source=meta&utm_campaign={ids.campaign_id(of.node.ad.ad_set.campaign)}",
    },
    {},
    empty=frozenset({"adlabels", "video_id", "image_url", "image_hash", "link_url", "instagram_permalink_url"}),
)
AD = Kind(
    "Ad",
    "ad",
    {
        "id": lambda of: ids.ad_id(of.node),
        "account_id": lambda of: ids.account_id(of.account),
        "campaign_id": lambda of: ids.campaign_id(of.node.ad_set.campaign),
        "adset_id": lambda of: ids.ad_set_id(of.node.ad_set),
        "name": lambda of: of.state.name,
        "status": lambda of: of.state.status.value,
        "configured_status": lambda of: of.state.status.value,
        "effective_status": lambda of: str(of.effective_status),
        "tracking_specs": lambda of: [
            {"action.type": ["offsite_conversion"], "fb_pixel": [f"94{of.account.index:013}"]}
        ],
        "created_time": lambda of: time_text(of.account, of.state.created),
        "updated_time": lambda of: time_text(of.account, of.state.updated),
    },
    {
        "creative": (CREATIVE, lambda of: ids.Creative(of.node)),
        "adset": (AD_SET, lambda of: of.node.ad_set),
        "campaign": (CAMPAIGN, lambda of: of.node.ad_set.campaign),
    },
    empty=frozenset({"adlabels", "issues_info", "recommendations", "bid_amount", "conversion_domain", "source_ad_id"}),
)


def kind_of(node: ids.Entity | ids.Creative) -> Kind:
    """The type of a node."""
    kinds: dict[type, Kind] = {
        Account: ACCOUNT,
        Campaign: CAMPAIGN,
        AdSet: AD_SET,
        Ad: AD,
        ids.Creative: CREATIVE,
    }
    return kinds[type(node)]
