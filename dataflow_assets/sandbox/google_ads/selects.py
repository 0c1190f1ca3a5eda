"""What the truth of each stream holds: the fields of one query each, in the form a connector would ask for them."""

from collections.abc import Mapping

_RESULTS = (
    "metrics.conversions",
    "metrics.conversions_value",
    "metrics.all_conversions",
    "metrics.all_conversions_value",
)
_PERFORMANCE = (
    "segments.date",
    "metrics.impressions",
    "metrics.clicks",
    "metrics.cost_micros",
    *_RESULTS,
    "metrics.view_through_conversions",
)
_ACCOUNT = ("customer.id", "customer.currency_code")
_CAMPAIGN = ("campaign.id", "campaign.name")
_AD_GROUP = ("ad_group.id", "ad_group.name")

RESOURCE: Mapping[str, str] = {
    "customers": "customer",
    "campaigns": "campaign",
    "ad_groups": "ad_group",
    "ads": "ad_group_ad",
    "conversion_actions": "conversion_action",
    "campaign_performance": "campaign",
    "ad_group_performance": "ad_group",
    "ad_performance": "ad_group_ad",
    "conversions_by_action": "campaign",
}
"""What each stream is read FROM."""

SELECT: Mapping[str, tuple[str, ...]] = {
    "customers": (
        "customer.id",
        "customer.descriptive_name",
        "customer.currency_code",
        "customer.time_zone",
        "customer.manager",
        "customer.test_account",
        "customer.status",
        "customer.auto_tagging_enabled",
    ),
    "campaigns": (
        "campaign.id",
        "campaign.name",
        "campaign.status",
        "campaign.serving_status",
        "campaign.primary_status",
        "campaign.advertising_channel_type",
        "campaign.advertising_channel_sub_type",
        "campaign.bidding_strategy_type",
        "campaign.campaign_budget",
        "campaign.start_date_time",
        "campaign.end_date_time",
        "campaign_budget.amount_micros",
    ),
    "ad_groups": (
        "ad_group.id",
        "ad_group.name",
        "ad_group.status",
        "ad_group.type",
        "ad_group.campaign",
        "ad_group.cpc_bid_micros",
        "campaign.id",
    ),
    "ads": (
        "ad_group_ad.ad.id",
        "ad_group_ad.ad.name",
        "ad_group_ad.ad.type",
        "ad_group_ad.ad.final_urls",
        "ad_group_ad.status",
        "ad_group_ad.policy_summary.approval_status",
        "ad_group.id",
        "campaign.id",
    ),
    "conversion_actions": (
        "conversion_action.id",
        "conversion_action.name",
        "conversion_action.status",
        "conversion_action.type",
        "conversion_action.category",
        "conversion_action.primary_for_goal",
        "conversion_action.counting_type",
        "conversion_action.click_through_lookback_window_days",
        "conversion_action.view_through_lookback_window_days",
    ),
    "campaign_performance": (*_ACCOUNT, *_CAMPAIGN, *_PERFORMANCE),
    "ad_group_performance": (*_ACCOUNT, *_CAMPAIGN, *_AD_GROUP, *_PERFORMANCE),
    "ad_performance": (
        *_ACCOUNT,
        *_CAMPAIGN,
        *_AD_GROUP,
        "ad_group_ad.ad.id",
        "ad_group_ad.ad.name",
        *_PERFORMANCE,
    ),
    "conversions_by_action": (
        *_ACCOUNT,
        "campaign.id",
        "segments.date",
        "segments.conversion_action",
        "segments.conversion_action_name",
        "segments.conversion_action_category",
        *_RESULTS,
    ),
}
"""The fields of each stream's rows."""
