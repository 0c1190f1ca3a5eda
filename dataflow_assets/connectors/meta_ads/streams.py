"""What Meta Ads has: its tables, their columns, and what each is asked with."""

import json
from datetime import timedelta
from typing import Any

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.records import Column, count, day, instant, nested, number, text, whole

NAME = "meta_ads"

ATTRIBUTION_WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")
CAMPAIGN_STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES")
AD_SET_STATUSES = (*CAMPAIGN_STATUSES, "CAMPAIGN_PAUSED")
AD_STATUSES = (
    *AD_SET_STATUSES,
    "ADSET_PAUSED",
    "DISAPPROVED",
    "PENDING_BILLING_INFO",
    "PENDING_REVIEW",
    "PREAPPROVED",
)

_ID = text("id", "Id given by Meta; text, since it passes 2^53.", required=True)
_ACCOUNT_ID = text("account_id", "Ad account, digits only.")
_NAME = text("name", "Name as people see it in Ads Manager.")
_STATUS = text("status", "Status set by the advertiser: ACTIVE, PAUSED, ARCHIVED or DELETED.")
_EFFECTIVE_STATUS = text("effective_status", "Status after the parents' and Meta's own rules.")
_CREATED = instant("created_time", "When it was created.")
_UPDATED = instant("updated_time", "When it was last edited; delivery and edits of a parent do not move it.")
_DAILY_BUDGET = whole("daily_budget", "Budget per day in minor units of the account currency.")
_LIFETIME_BUDGET = whole("lifetime_budget", "Budget of the whole run in minor units of the account currency.")


def _entity(name: str, description: str, endpoint: str, columns: tuple[Column, ...], **options: Any) -> Stream:
    return Stream(
        name=name,
        description=description,
        kind=Kind.ENTITY,
        endpoint=endpoint,
        columns=columns,
        key=("id",),
        page_size=500,
        sweep_every=timedelta(hours=20),  # daily, even when a schedule is a little early
        **options,
    )


def _changing(statuses: tuple[str, ...], prefix: str) -> dict[str, Any]:
    # Ten minutes below the watermark: edits that reach the listing late, and equal stamps, are read again.
    return {
        "cursor": "updated_time",
        "overlap": timedelta(minutes=10),
        "params": {"effective_status": json.dumps(statuses), "cursor_field": f"{prefix}.updated_time"},
    }


AD_ACCOUNTS = _entity(
    "ad_accounts",
    "Ad accounts: currency, time zone and state. One row per account.",
    "",
    (
        text("id", "Account id with the prefix act_.", required=True),
        text("account_id", "Account id, digits only.", required=True),
        _NAME,
        text("currency", "ISO 4217 currency of every amount of the account.", required=True),
        text("timezone_name", "IANA time zone whose days the reports use.", required=True),
        whole("account_status", "1 active, 2 disabled, 3 unsettled, 101 closed, and others."),
        whole("disable_reason", "Why Meta disabled the account; 0 when it did not."),
        whole("amount_spent", "Lifetime spend in minor units of the account currency."),
        whole("balance", "Amount owed in minor units of the account currency."),
        whole("spend_cap", "Spending limit in minor units of the account currency; 0 is none."),
        _CREATED,
    ),
)

CAMPAIGNS = _entity(
    "campaigns",
    "Campaigns with status, objective and budget. Archived ones included.",
    "campaigns",
    (
        _ID,
        _ACCOUNT_ID,
        _NAME,
        text("objective", "OUTCOME_SALES and the like; old campaigns keep older words."),
        _STATUS,
        _EFFECTIVE_STATUS,
        text("buying_type", "AUCTION or RESERVED."),
        text("bid_strategy", "How Meta bids."),
        _DAILY_BUDGET,
        _LIFETIME_BUDGET,
        whole("spend_cap", "Spending limit in minor units of the account currency."),
        nested("special_ad_categories", "Declared categories, a list."),
        instant("start_time", "When delivery may begin."),
        instant("stop_time", "When delivery ends."),
        _CREATED,
        _UPDATED,
    ),
    **_changing(CAMPAIGN_STATUSES, "campaign"),
)

AD_SETS = _entity(
    "ad_sets",
    "Ad sets: audience, optimisation and budget below a campaign.",
    "adsets",
    (
        _ID,
        _ACCOUNT_ID,
        text("campaign_id", "Campaign it belongs to.", required=True),
        _NAME,
        _STATUS,
        _EFFECTIVE_STATUS,
        text("optimization_goal", "What delivery is optimised for."),
        text("billing_event", "What is paid for."),
        whole("bid_amount", "Bid in minor units of the account currency."),
        text("bid_strategy", "How Meta bids."),
        _DAILY_BUDGET,
        _LIFETIME_BUDGET,
        nested("attribution_spec", "Attribution windows, a list of event type and days."),
        nested("promoted_object", "What is advertised: page, pixel, app."),
        nested("targeting", "Audience definition."),
        instant("start_time", "When delivery may begin."),
        instant("end_time", "When delivery ends."),
        _CREATED,
        _UPDATED,
    ),
    **_changing(AD_SET_STATUSES, "adset"),
)

ADS = _entity(
    "ads",
    "Ads and the creative each one shows.",
    "ads",
    (
        _ID,
        _ACCOUNT_ID,
        text("campaign_id", "Campaign it belongs to.", required=True),
        text("adset_id", "Ad set it belongs to.", required=True),
        _NAME,
        _STATUS,
        _EFFECTIVE_STATUS,
        text("creative_id", "Creative the ad shows.", path="creative.id"),
        nested("tracking_specs", "Tracking, a list."),
        _CREATED,
        _UPDATED,
    ),
    **_changing(AD_STATUSES, "ad"),
)

CREATIVES = _entity(
    "creatives",
    "Creatives: texts and media. Meta keeps no time of change for them, so every read lists all.",
    "adcreatives",
    (
        _ID,
        _ACCOUNT_ID,
        _NAME,
        _STATUS,
        text("title", "Headline."),
        text("body", "Text."),
        text("object_type", "VIDEO, PHOTO, SHARE and the like."),
        text("object_story_id", "Page post behind the creative."),
        text("thumbnail_url", "Preview picture; the link expires."),
        text("call_to_action_type", "Button."),
        text("url_tags", "Query string added to the landing page, UTM tags among it."),
    ),
)


def _insights(name: str, level: str, title: str, ids: tuple[tuple[str, str], ...], **params: str) -> Stream:
    id_columns = [
        column
        for prefix, label in ids
        for column in (
            text(f"{prefix}_id", f"{label} id.", required=True),
            text(f"{prefix}_name", f"{label} name on the day of reading."),
        )
    ]
    return Stream(
        name=name,
        description=f"{title} per day of the account's time zone, as Meta reports it at level={level}.",
        kind=Kind.REPORT,
        endpoint="insights",
        params={"level": level, **params},
        key=("date_start", "account_id", f"{ids[-1][0]}_id"),
        report_day="date_start",
        page_size=500,
        slice_days=30,
        is_divisible=True,
        ignored=("date_stop",),
        columns=(
            day("date_start", "Report day in the account's time zone.", required=True),
            text("account_id", "Ad account, digits only.", required=True),
            text("account_currency", "ISO 4217 currency of spend and values.", required=True),
            *id_columns,
            count("impressions", "Times shown."),
            count("clicks", "All clicks, social ones included."),
            count("inline_link_clicks", "Clicks on links in the ad."),
            number("spend", "Cost in major units of the account currency.", default="0", ge=0),
            count("reach", "People who saw it. Not additive over days or levels."),
            number("frequency", "Impressions per person. Not additive."),
            nested("actions", "Actions by type and attribution window; several types repeat one event."),
            nested("action_values", "Values of actions in major units, by type and window."),
            text("attribution_setting", "Attribution setting the totals follow."),
        ),
    )


def _with_deleted(prefix: str, statuses: tuple[str, ...]) -> str:
    # Without this filter deleted ones are left out of the level, and the level no longer adds up to the account.
    return json.dumps([{"field": f"{prefix}.effective_status", "operator": "IN", "value": [*statuses, "DELETED"]}])


_CAMPAIGN, _AD_SET, _AD = ("campaign", "Campaign"), ("adset", "Ad set"), ("ad", "Ad")
INSIGHTS_CAMPAIGN = _insights("insights_campaign", "campaign", "Performance of campaigns", (_CAMPAIGN,))
INSIGHTS_AD_SET = _insights(
    "insights_ad_set",
    "adset",
    "Performance of ad sets",
    (_CAMPAIGN, _AD_SET),
    filtering=_with_deleted("adset", AD_SET_STATUSES),
)
INSIGHTS_AD = _insights(
    "insights_ad",
    "ad",
    "Performance of ads",
    (_CAMPAIGN, _AD_SET, _AD),
    filtering=_with_deleted("ad", AD_STATUSES),
)

STREAMS = (AD_ACCOUNTS, CAMPAIGNS, AD_SETS, ADS, CREATIVES, INSIGHTS_CAMPAIGN, INSIGHTS_AD_SET, INSIGHTS_AD)
