"""The tables of Google Ads."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.records import Column, count, day, flag, nested, number, text, whole

NAME = "google_ads"

_PAGE_ROWS = 10_000  # fixed by Google: to ask for another size is an error
_CAMEL = re.compile(r"_([a-z])")


def _at(place: str, *columns: Column) -> tuple[Column, ...]:
    """The columns where Google's JSON has them: in an object, under their own names in its spelling."""
    return tuple(replace(c, path=f"{place}.{_CAMEL.sub(lambda m: m[1].upper(), c.name)}") for c in columns)


def _resource_names(columns: Sequence[Column]) -> tuple[str, ...]:
    # Every resource of a row may bring its name along; the ids say the same.
    holders = {".".join(column.source_path[:-1]) for column in columns}
    return tuple(f"{one}.resourceName" for one in sorted(holders - {"metrics", "segments", "adGroupAd.policySummary"}))


def _entity(name: str, description: str, resource: str, *columns: Column, key: tuple[str, ...] = ("id",)) -> Stream:
    return Stream(
        name=name,
        description=f"{description} GAQL cannot ask what changed since: one query brings everything.",
        kind=Kind.ENTITY,
        endpoint=resource,
        columns=columns,
        key=key,
        page_size=_PAGE_ROWS,
        ignored=_resource_names(columns),
        sweep_every=timedelta(hours=20),  # daily, even when a schedule is a little early
    )


_NAME = text("name", "Name as people see it.")
_STATUS = text("status", "ENABLED, PAUSED or REMOVED; removed ones stay listed.")
_CAMPAIGN_ID = text("campaign_id", "Campaign id.", path="campaign.id", required=True)
_AD_GROUP_ID = text("ad_group_id", "Ad group id.", path="adGroup.id", required=True)

CUSTOMERS = _entity(
    "customers",
    "Client accounts: currency, time zone and state. One row per account.",
    "customer",
    *_at(
        "customer",
        text("id", "Customer id, digits only.", required=True),
        text("descriptive_name", "Name as people see it."),
        text("currency_code", "ISO 4217 currency of every amount.", required=True),
        text("time_zone", "IANA time zone whose days the reports use.", required=True),
        flag("manager", "Whether it manages other accounts; such ones are not read."),
        flag("test_account", "Whether it is a test account, which shows no ads."),
        text("status", "ENABLED, CANCELED, SUSPENDED or CLOSED."),
        flag("auto_tagging_enabled", "Whether links get a click id."),
    ),
)

CAMPAIGNS = _entity(
    "campaigns",
    "Campaigns with status, channel and budget, removed ones included.",
    "campaign",
    *_at(
        "campaign",
        text("id", "Campaign id.", required=True),
        _NAME,
        _STATUS,
        text("serving_status", "Whether Google shows it: SERVING, ENDED and so on."),
        text("primary_status", "Google's summary of status and obstacles."),
        text("advertising_channel_type", "SEARCH, DISPLAY, PERFORMANCE_MAX and so on."),
        text("advertising_channel_sub_type", "A finer kind of channel, where there is one."),
        text("bidding_strategy_type", "How Google bids."),
        text("start_date_time", "When it begins, in the account's time zone."),
        text("end_date_time", "When it ends, in the account's time zone."),
    ),
    text("budget_id", "Budget; several campaigns may share one.", path="campaignBudget.id"),
    whole("budget_amount_micros", "Budget per day in millionths of the currency.", path="campaignBudget.amountMicros"),
)

AD_GROUPS = _entity(
    "ad_groups",
    "Ad groups below campaigns, removed ones included. Performance Max campaigns have none.",
    "ad_group",
    _CAMPAIGN_ID,
    *_at(
        "adGroup",
        text("id", "Ad group id.", required=True),
        _NAME,
        _STATUS,
        text("type", "SEARCH_STANDARD and so on; the ad groups of some channels have none."),
        whole("cpc_bid_micros", "Bid per click in millionths of the currency."),
    ),
)

ADS = _entity(
    "ads",
    "Ads in their ad groups, removed ones included. One ad can be in several ad groups.",
    "ad_group_ad",
    _CAMPAIGN_ID,
    _AD_GROUP_ID,
    *_at(
        "adGroupAd.ad",
        text("id", "Ad id.", required=True),
        text("name", "Name; many kinds of ads have none."),
        text("type", "RESPONSIVE_SEARCH_AD and so on."),
        nested("final_urls", "Landing pages, a list."),
    ),
    *_at("adGroupAd", _STATUS),
    *_at("adGroupAd.policySummary", text("approval_status", "What Google's review made of it.")),
    key=("ad_group_id", "id"),
)

CONVERSION_ACTIONS = _entity(
    "conversion_actions",
    "What the account counts as a conversion, and for how long after a click.",
    "conversion_action",
    *_at(
        "conversionAction",
        text("id", "Conversion action id.", required=True),
        _NAME,
        text("status", "ENABLED, HIDDEN or REMOVED."),
        text("type", "Where conversions come from: WEBPAGE, UPLOAD_CLICKS and so on."),
        text("category", "PURCHASE, SUBMIT_LEAD_FORM and so on."),
        flag("primary_for_goal", "Whether bidding uses it; if not, it counts in all_conversions only."),
        text("counting_type", "ONE_PER_CLICK or MANY_PER_CLICK."),
        whole("click_through_lookback_window_days", "Days after a click that count, and so keep changing."),
        whole("view_through_lookback_window_days", "Days after a view that count."),
    ),
)

_RESULTS = _at(
    "metrics",
    number("conversions", "Primary conversions, on the day of their click.", default="0"),
    number("conversions_value", "Their value in major units of the currency.", default="0"),
    number("all_conversions", "Conversions of every action, secondary ones too.", default="0"),
    number("all_conversions_value", "Their value in major units of the currency.", default="0"),
)
_FIGURES = (
    *_at(
        "metrics",
        count("impressions", "Times shown."),
        count("clicks", "Clicks."),
        count("cost_micros", "Cost in millionths of the currency."),
    ),
    *_RESULTS,
    *_at("metrics", count("view_through_conversions", "After a view without a click; not part of conversions.")),
)
_CAMPAIGN = (_CAMPAIGN_ID, text("campaign_name", "Campaign name on the day of reading.", path="campaign.name"))
_AD_GROUP = (_AD_GROUP_ID, text("ad_group_name", "Ad group name on the day of reading.", path="adGroup.name"))
_AD = (
    text("ad_id", "Ad id.", path="adGroupAd.ad.id", required=True),
    text("ad_name", "Ad name on the day of reading; many ads have none.", path="adGroupAd.ad.name"),
)
_ACTION = _at(
    "segments",
    text("conversion_action", "Resource name of the conversion action; its last part is the id.", required=True),
    text("conversion_action_name", "Its name on the day of reading."),
    text("conversion_action_category", "PURCHASE, SUBMIT_LEAD_FORM and so on."),
)


def _report(name: str, what: str, resource: str, about: tuple[Column, ...], figures: tuple[Column, ...]) -> Stream:
    columns = (
        *_at("segments", day("date", "Report day in the account's time zone.", required=True)),
        text("customer_id", "Customer id, digits only.", path="customer.id", required=True),
        *_at("customer", text("currency_code", "ISO 4217 currency of cost and values.", required=True)),
        *about,
        *figures,
    )
    return Stream(
        name=name,
        description=f"{what} per day of the account's time zone. Google leaves out what is zero in every figure.",
        kind=Kind.REPORT,
        endpoint=resource,
        columns=columns,
        key=("date", "customer_id", *(column.name for column in about if column.required)),
        page_size=_PAGE_ROWS,
        ignored=_resource_names(columns),
        report_day="date",
        # One operation, whatever the number of days and rows: a night's 30 days of lookback and the new day in one.
        slice_days=31,
    )


_IN_AD_GROUP = (*_CAMPAIGN, *_AD_GROUP)
CAMPAIGN_PERFORMANCE = _report("campaign_performance", "Performance of campaigns", "campaign", _CAMPAIGN, _FIGURES)
AD_GROUP_PERFORMANCE = _report("ad_group_performance", "Performance of ad groups", "ad_group", _IN_AD_GROUP, _FIGURES)
AD_PERFORMANCE = _report("ad_performance", "Performance of ads", "ad_group_ad", (*_IN_AD_GROUP, *_AD), _FIGURES)
# Impressions, clicks and cost belong to no conversion action: a query that asks for them by action is refused.
CONVERSIONS_BY_ACTION = _report(
    "conversions_by_action", "Conversions by campaign and action", "campaign", (*_CAMPAIGN, *_ACTION), _RESULTS
)

STREAMS = (
    *(CUSTOMERS, CAMPAIGNS, AD_GROUPS, ADS, CONVERSION_ACTIONS),
    *(CAMPAIGN_PERFORMANCE, AD_GROUP_PERFORMANCE, AD_PERFORMANCE, CONVERSIONS_BY_ACTION),
)
