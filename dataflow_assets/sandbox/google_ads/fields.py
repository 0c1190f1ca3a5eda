"""The resources that can be queried, their fields, and what stands in them.

Names and types: apis/google_ads.md, section 2, and Google's own v26 types. What is None is "not set": it is left out.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from dataflow_assets.sandbox.google_ads import enums, ids
from dataflow_assets.sandbox.google_ads.metrics import DOUBLES, METRICS, micros
from dataflow_assets.sandbox.google_ads.subjects import Action, Subject, state, status
from dataflow_assets.sandbox.world.campaigns import Goal

_DAY_SECONDS = 86_400
_CLICKS_PER_BUDGET = 50
# By the number of the campaign in a round of six: channel, type of its ad groups (None: not set), type of its ads.
_CHANNELS = (
    ("SEARCH", "SEARCH_STANDARD", "RESPONSIVE_SEARCH_AD"),
    ("PERFORMANCE_MAX", None, None),
    ("SEARCH", "SEARCH_STANDARD", "RESPONSIVE_SEARCH_AD"),
    ("DEMAND_GEN", None, "DEMAND_GEN_MULTI_ASSET_AD"),
    ("DISPLAY", "DISPLAY_STANDARD", "IMAGE_AD"),
    ("VIDEO", "VIDEO_RESPONSIVE", "VIDEO_RESPONSIVE_AD"),
)
_SUB_TYPES = {"VIDEO": "VIDEO_ACTION"}
_BIDDING = {
    Goal.SALES: "MAXIMIZE_CONVERSION_VALUE",
    Goal.LEADS: "TARGET_CPA",
    Goal.TRAFFIC: "TARGET_SPEND",
}
_WITH_BIDS = frozenset({"SEARCH", "DISPLAY"})
_NAMELESS = frozenset({"RESPONSIVE_SEARCH_AD"})
_ACTION_NAMES = {Action.PURCHASE: "Purchase", Action.LEAD: "Lead"}
_ACTION_CATEGORIES = {Action.PURCHASE: "PURCHASE", Action.LEAD: "SUBMIT_LEAD_FORM"}
_ACTION_COUNTING = {Action.PURCHASE: "MANY_PER_CLICK", Action.LEAD: "ONE_PER_CLICK"}
CLICK_WINDOW_DAYS = 30


class Type(Enum):
    """How a value is compared and written. 64 bit integers are written as text."""

    INT64 = auto()
    DOUBLE = auto()
    STRING = auto()
    STRINGS = auto()
    NAME = auto()
    ENUM = auto()
    BOOL = auto()
    DATE = auto()
    TIME = auto()


Read = Callable[[Subject], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field by its full name.

    `resource` is what it belongs to: a resource, `segments` or `metrics`. `read` tells its value of a subject;
    `constants` are those of its enum.
    """

    path: str
    resource: str
    type: Type
    read: Read
    constants: frozenset[str] = frozenset()


def _digits(of: Subject) -> int:
    account = of.customer.account
    return account.market.digits if account else 0


def _ended(of: Subject) -> bool:
    end = of.campaign.life.end_day
    return end is not None and of.customer.today(of.instant).toordinal() >= end


def _campaign_status(of: Subject) -> str:
    return status(of.campaign, of.instant)


def _serving(of: Subject) -> str:
    if _campaign_status(of) != "ENABLED":
        return "NONE"
    return "ENDED" if _ended(of) else "SERVING"


def _primary(of: Subject) -> str:
    own = _campaign_status(of)
    if own != "ENABLED":
        return own
    return "ENDED" if _ended(of) else "ELIGIBLE"


def _channel(of: Subject) -> tuple[str, str | None, str | None]:
    return _CHANNELS[of.campaign.index % len(_CHANNELS)]


def _end(of: Subject) -> str | None:
    end = of.campaign.life.end_day
    return None if end is None else f"{date.fromordinal(end - 1).isoformat()} 23:59:59"


def _budget(of: Subject) -> int:
    return micros(state(of.campaign, of.instant).daily_budget, _digits(of))


def _bid(of: Subject) -> int | None:
    if _channel(of)[0] not in _WITH_BIDS:
        return None
    return micros(state(of.ad_group, of.instant).daily_budget // _CLICKS_PER_BUDGET, _digits(of))


def _ad_name(of: Subject) -> str | None:
    return None if _channel(of)[2] in _NAMELESS else state(of.ad, of.instant).name


def _approval(of: Subject) -> str | None:
    return "APPROVED" if of.instant - of.ad.life.created >= _DAY_SECONDS else None


def _landing_pages(of: Subject) -> list[str]:
    country = of.customer.account.market.country.lower() if of.customer.account else ""
    return [f"https://shop.example/{country}/{of.ad.ad_set.campaign.index + 1}-{of.ad.index + 1}"]


def _change_name(of: Subject) -> str:
    if of.ad or of.ad_group:
        thing = ids.ad_id(of.ad) if of.ad else ids.ad_group_id(of.ad_group)
    else:
        thing = ids.budget_id(of.campaign) if of.change.kind == "CAMPAIGN_BUDGET" else ids.campaign_id(of.campaign)
    return f"{of.customer.resource_name}/changeStatus/{of.change.at}-{thing}"


def _changed_at(of: Subject) -> str:
    return of.customer.local(of.change.at).strftime("%Y-%m-%d %H:%M:%S.000000")


def _action(of: Subject) -> str | None:
    return ids.action_name(of.customer.account, of.action) if of.customer.account else None


Spec = tuple[Type, Read] | tuple[Type, Read, frozenset[str]]

_SPECS: Mapping[str, Mapping[str, Spec]] = {
    "customer": {
        "resource_name": (Type.NAME, lambda of: of.customer.resource_name),
        "id": (Type.INT64, lambda of: int(of.customer.id)),
        "descriptive_name": (Type.STRING, lambda of: of.customer.name),
        "currency_code": (Type.STRING, lambda of: of.customer.currency),
        "time_zone": (Type.STRING, lambda of: of.customer.zone.key),
        "manager": (Type.BOOL, lambda of: of.customer.manager),
        "test_account": (Type.BOOL, lambda _: False),
        "status": (Type.ENUM, lambda of: of.customer.status, enums.CUSTOMER_STATUS),
        "auto_tagging_enabled": (Type.BOOL, lambda of: not of.customer.manager),
    },
    "customer_client": {
        "resource_name": (Type.NAME, lambda of: f"{of.customer.resource_name}/customerClients/{of.client.id}"),
        "client_customer": (Type.NAME, lambda of: of.client.resource_name),
        "id": (Type.INT64, lambda of: int(of.client.id)),
        "level": (Type.INT64, lambda of: of.level),
        "manager": (Type.BOOL, lambda of: of.client.manager),
        "hidden": (Type.BOOL, lambda of: of.client.hidden),
        "test_account": (Type.BOOL, lambda _: False),
        "currency_code": (Type.STRING, lambda of: of.client.currency),
        "time_zone": (Type.STRING, lambda of: of.client.zone.key),
        "descriptive_name": (Type.STRING, lambda of: of.client.name),
        "status": (Type.ENUM, lambda of: of.client.status, enums.CUSTOMER_STATUS),
    },
    "campaign": {
        "resource_name": (Type.NAME, lambda of: ids.campaign_name(of.campaign)),
        "id": (Type.INT64, lambda of: ids.campaign_id(of.campaign)),
        "name": (Type.STRING, lambda of: state(of.campaign, of.instant).name),
        "status": (Type.ENUM, _campaign_status, enums.STATUS),
        "serving_status": (Type.ENUM, _serving, enums.SERVING_STATUS),
        "primary_status": (Type.ENUM, _primary, enums.PRIMARY_STATUS),
        "advertising_channel_type": (Type.ENUM, lambda of: _channel(of)[0], enums.CHANNEL_TYPE),
        "advertising_channel_sub_type": (
            Type.ENUM,
            lambda of: _SUB_TYPES.get(_channel(of)[0]),
            enums.CHANNEL_SUB_TYPE,
        ),
        "bidding_strategy_type": (Type.ENUM, lambda of: _BIDDING[of.campaign.goal], enums.BIDDING_STRATEGY_TYPE),
        "campaign_budget": (Type.NAME, lambda of: ids.budget_name(of.campaign)),
        "start_date_time": (
            Type.TIME,
            lambda of: f"{date.fromordinal(of.campaign.life.created_day).isoformat()} 00:00:00",
        ),
        "end_date_time": (Type.TIME, _end),
    },
    "campaign_budget": {
        "resource_name": (Type.NAME, lambda of: ids.budget_name(of.campaign)),
        "id": (Type.INT64, lambda of: ids.budget_id(of.campaign)),
        "amount_micros": (Type.INT64, _budget),
    },
    "ad_group": {
        "resource_name": (Type.NAME, lambda of: ids.ad_group_name(of.ad_group)),
        "id": (Type.INT64, lambda of: ids.ad_group_id(of.ad_group)),
        "name": (Type.STRING, lambda of: state(of.ad_group, of.instant).name),
        "status": (Type.ENUM, lambda of: status(of.ad_group, of.instant), enums.STATUS),
        "type": (Type.ENUM, lambda of: _channel(of)[1], enums.AD_GROUP_TYPE),
        "campaign": (Type.NAME, lambda of: ids.campaign_name(of.campaign)),
        "cpc_bid_micros": (Type.INT64, _bid),
    },
    "ad_group_ad": {
        "resource_name": (Type.NAME, lambda of: ids.ad_group_ad_name(of.ad)),
        "ad_group": (Type.NAME, lambda of: ids.ad_group_name(of.ad_group)),
        "status": (Type.ENUM, lambda of: status(of.ad, of.instant), enums.STATUS),
        "policy_summary.approval_status": (Type.ENUM, _approval, enums.APPROVAL_STATUS),
        "ad.resource_name": (Type.NAME, lambda of: ids.ad_name(of.ad)),
        "ad.id": (Type.INT64, lambda of: ids.ad_id(of.ad)),
        "ad.name": (Type.STRING, _ad_name),
        "ad.type": (Type.ENUM, lambda of: _channel(of)[2], enums.AD_TYPE),
        "ad.final_urls": (Type.STRINGS, _landing_pages),
    },
    "conversion_action": {
        "resource_name": (Type.NAME, _action),
        "id": (Type.INT64, lambda of: ids.action_id(of.customer.account, of.action) if of.customer.account else None),
        "name": (Type.STRING, lambda of: _ACTION_NAMES[of.action]),
        "status": (Type.ENUM, lambda _: "ENABLED", enums.ACTION_STATUS),
        "type": (Type.ENUM, lambda _: "WEBPAGE", enums.ACTION_TYPE),
        "category": (Type.ENUM, lambda of: _ACTION_CATEGORIES[of.action], enums.ACTION_CATEGORY),
        "primary_for_goal": (Type.BOOL, lambda _: True),
        "counting_type": (Type.ENUM, lambda of: _ACTION_COUNTING[of.action], enums.COUNTING_TYPE),
        "click_through_lookback_window_days": (Type.INT64, lambda _: CLICK_WINDOW_DAYS),
        "view_through_lookback_window_days": (Type.INT64, lambda _: 1),
    },
    "change_status": {
        "resource_name": (Type.NAME, _change_name),
        "last_change_date_time": (Type.TIME, _changed_at),
        "resource_type": (Type.ENUM, lambda of: of.change.kind, enums.CHANGED_TYPE),
        "resource_status": (Type.ENUM, lambda of: of.change.status, enums.CHANGE),
        "campaign": (Type.NAME, lambda of: ids.campaign_name(of.campaign)),
        "ad_group": (Type.NAME, lambda of: of.ad_group and ids.ad_group_name(of.ad_group)),
        "ad_group_ad": (Type.NAME, lambda of: of.ad and ids.ad_group_ad_name(of.ad)),
        "campaign_budget": (
            Type.NAME,
            lambda of: ids.budget_name(of.campaign) if of.change.kind == "CAMPAIGN_BUDGET" else None,
        ),
    },
    # A row's date is put in where the row is made; the others are read of the conversion action it is about.
    "segments": {
        "date": (Type.DATE, lambda _: None),
        "conversion_action": (Type.NAME, _action),
        "conversion_action_name": (Type.STRING, lambda of: _ACTION_NAMES[of.action]),
        "conversion_action_category": (
            Type.ENUM,
            lambda of: _ACTION_CATEGORIES[of.action],
            enums.ACTION_CATEGORY,
        ),
    },
    "metrics": {
        path.partition(".")[2]: (Type.DOUBLE if path in DOUBLES else Type.INT64, lambda _: None) for path in METRICS
    },
}

FIELDS: Mapping[str, Field] = {
    f"{resource}.{name}": Field(f"{resource}.{name}", resource, *spec)
    for resource, specs in _SPECS.items()
    for name, spec in specs.items()
}
"""Every field there is, by its full name."""

JOINED: Mapping[str, frozenset[str]] = {
    "customer": frozenset(),
    "customer_client": frozenset({"customer"}),
    "campaign": frozenset({"customer", "campaign_budget"}),
    "ad_group": frozenset({"customer", "campaign"}),
    "ad_group_ad": frozenset({"customer", "campaign", "ad_group"}),
    "conversion_action": frozenset({"customer"}),
    "change_status": frozenset({"customer", "campaign"}),
}
"""What FROM may name, and the resources whose fields may then be used too."""

WITH_METRICS = frozenset({"customer", "campaign", "ad_group", "ad_group_ad"})
"""What FROM may name when there are metrics."""


def nested(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Values by the full names of their fields, as the JSON of a row; those of None are left out."""
    row: dict[str, Any] = {}
    for path, value in values:
        if value is not None:
            *above, last = path.split(".")
            inner = row
            for name in above:
                inner = inner.setdefault(camel(name), {})
            inner[camel(last)] = value
    return row


def written(field: Field, value: Any) -> Any:
    """A value as JSON holds it."""
    return str(value) if field.type is Type.INT64 and value is not None else value


@lru_cache
def camel(path: str) -> str:
    """`cost_micros` as `costMicros`, also with dots in it."""
    first, *others = path.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)
