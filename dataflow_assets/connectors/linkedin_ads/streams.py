"""What LinkedIn Ads has: its tables, and how it writes ids, times, days and money."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.records import Column, count, day, flag, instant, nested, number, text

NAME = "linkedin_ads"

# --------------------------------------------------------------------------- values in LinkedIn's own ways

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Amounts come with what is left of binary fractions, such as 107.5300000000000335346 or -2e-18 for nothing.
MONEY_GRAIN = Decimal("0.000001")
URN_OF = {
    "ACCOUNT": "urn:li:sponsoredAccount:",
    "CAMPAIGN_GROUP": "urn:li:sponsoredCampaignGroup:",
    "CAMPAIGN": "urn:li:sponsoredCampaign:",
    "CREATIVE": "urn:li:sponsoredCreative:",
}


def _number_of(urn: str, *, kind: str) -> str:
    digits = urn.removeprefix(URN_OF[kind])
    if not (digits.isascii() and digits.isdigit()) or digits == urn:
        raise ValueError(f"Expected {URN_OF[kind]}<number>, got {urn[:60]!r}")
    return digits


def number_among(urns: list[str], *, kind: str) -> str:
    """The number of the one thing of a kind in a row's `pivotValues`. Raises ValueError when there is not just one."""
    found = [urn for urn in urns if urn.startswith(URN_OF[kind])]
    if len(found) != 1:
        raise ValueError(f"Expected one {URN_OF[kind]}<number>, got {urns!r:.120}")
    return _number_of(found[0], kind=kind)


def _moment(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


def _day(parts: dict[str, int]) -> date:
    return date(parts["year"], parts["month"], parts["day"])


def _money(amount: str | float) -> Decimal:
    return Decimal(str(amount)).quantize(MONEY_GRAIN) + 0  # + 0: no -0.000000


def _id(description: str) -> Column:
    return text("id", description, required=True, wire=int, parse=str, example=610000201)


def _reference(name: str, description: str, kind: str, path: str) -> Column:
    parse = partial(_number_of, kind=kind)
    return text(name, description, path=path, wire=str, parse=parse, example=f"{URN_OF[kind]}610000201")


def _stamp(name: str, description: str, path: str = "") -> Column:
    return instant(name, description, path=path, wire=int, parse=_moment, example=1772323200000)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))


def _placed(column: Column) -> Column:
    """The column with its place, if not told otherwise: `cost_in_usd` is under `costInUsd`."""
    return replace(column, path=column.path or _camel(column.name))


# --------------------------------------------------------------------------- streams

ACCOUNT_STATUSES = ("ACTIVE", "CANCELED", "DRAFT", "PENDING_DELETION", "REMOVED")
GROUP_STATUSES = ("ACTIVE", "ARCHIVED", "CANCELED", "DRAFT", "PAUSED", "PENDING_DELETION", "REMOVED")
CAMPAIGN_STATUSES = (*GROUP_STATUSES, "COMPLETED")
CREATIVE_STATUSES = GROUP_STATUSES

_ACCOUNT_ID = _reference("account_id", "Ad account.", "ACCOUNT", "account")
_NAME = text("name", "Name as people see it in Campaign Manager.")
_IS_TEST = flag("is_test", "Made for tests: nothing is ever delivered.", path="test")
_SERVING = nested("serving_statuses", "Why it is delivered or not, a list: RUNNABLE, STOPPED and others.")
_CREATED = _stamp("created_at", "When it was created.", "changeAuditStamps.created.time")
_CHANGED = _stamp("last_modified_at", "When it was last edited.", "changeAuditStamps.lastModified.time")
_VERSION = text("version_tag", "LinkedIn's number of edits.", path="version.versionTag")
_STARTS = _stamp("start_at", "When delivery may begin.", "runSchedule.start")
_ENDS = _stamp("end_at", "When delivery ends; null is open.", "runSchedule.end")
_ACTORS = ("changeAuditStamps.created.actor", "changeAuditStamps.lastModified.actor")


def _budget(name: str, description: str) -> tuple[Column, Column]:
    path = _camel(name)
    return (
        number(name, f"{description} in major units.", path=f"{path}.amount", ge=0),
        text(f"{name}_currency", f"ISO 4217 currency of {name}.", path=f"{path}.currencyCode"),
    )


def _entity(name: str, description: str, endpoint: str, columns: tuple[Column, ...], **options: Any) -> Stream:
    return Stream(
        name=name,
        description=description,
        kind=Kind.ENTITY,
        endpoint=endpoint,
        columns=tuple(map(_placed, columns)),
        key=("id",),
        cursor="last_modified_at",
        # LinkedIn has no "changed since": each read is a full listing, and the cursor only guards versions.
        sweep_every=timedelta(0),
        **options,
    )


AD_ACCOUNTS = _entity(
    "ad_accounts",
    "Ad accounts with their currency. One row per account.",
    "",
    (
        _id("Account id."),
        _NAME,
        text("currency", "ISO 4217 currency of every local amount of the account.", required=True),
        text("type", "BUSINESS or ENTERPRISE."),
        text("status", "ACTIVE, CANCELED, DRAFT, PENDING_DELETION or REMOVED."),
        _IS_TEST,
        text("reference", "URN of the organisation or member that advertises."),
        _SERVING,
        _CREATED,
        _CHANGED,
        _VERSION,
    ),
    ignored=(
        "notifiedOnCampaignOptimization",
        "notifiedOnCreativeApproval",
        "notifiedOnCreativeRejection",
        "notifiedOnEndOfCampaign",
        "notifiedOnNewFeaturesEnabled",
        *_ACTORS,
    ),
)

CAMPAIGN_GROUPS = _entity(
    "campaign_groups",
    "Campaign groups, which Campaign Manager calls campaigns since October 2025. Archived and removed ones included.",
    "adCampaignGroups",
    (
        _id("Campaign group id."),
        _ACCOUNT_ID,
        _NAME,
        text("status", "ACTIVE, PAUSED, ARCHIVED, CANCELED, DRAFT, PENDING_DELETION or REMOVED."),
        *_budget("total_budget", "Budget of the whole run"),
        nested("allowed_campaign_types", "Types of campaigns that may be in it, a list."),
        flag("is_backfilled", "The default group that LinkedIn made for campaigns without one.", path="backfilled"),
        _IS_TEST,
        _SERVING,
        _STARTS,
        _ENDS,
        _CREATED,
        _CHANGED,
    ),
    ignored=_ACTORS,
    params={"q": "search", "search": {"status": {"values": GROUP_STATUSES}}},
    page_size=500,
)

CAMPAIGNS = _entity(
    "campaigns",
    "Campaigns, which Campaign Manager calls ad sets since October 2025: audience, bid and budget.",
    "adCampaigns",
    (
        _id("Campaign id."),
        _ACCOUNT_ID,
        _reference("campaign_group_id", "Campaign group it belongs to.", "CAMPAIGN_GROUP", "campaignGroup"),
        text("associated_entity", "URN of the organisation or member it advertises for."),
        _NAME,
        text("status", "As of a campaign group, or COMPLETED."),
        text("type", "TEXT_AD, SPONSORED_UPDATES, SPONSORED_INMAILS or DYNAMIC."),
        text("format", "STANDARD_UPDATE, CAROUSEL, SINGLE_VIDEO and the like."),
        text("objective_type", "WEBSITE_VISIT, LEAD_GENERATION and the like."),
        text("cost_type", "What is paid for: CPM, CPC or CPV."),
        *_budget("daily_budget", "Budget per day"),
        *_budget("total_budget", "Budget of the whole run"),
        *_budget("unit_cost", "Bid"),
        text("optimization_target_type", "What delivery is optimised for."),
        text("pacing_strategy", "How the budget is spread over time."),
        text("creative_selection", "OPTIMIZED or ROUND_ROBIN."),
        text("locale_country", "Country of the audience's language, ISO 3166.", path="locale.country"),
        text("locale_language", "Language of the audience, ISO 639.", path="locale.language"),
        nested("targeting_criteria", "Audience definition."),
        flag("offsite_delivery_enabled", "Also shown on partner sites."),
        flag("audience_expansion_enabled", "Also shown to similar people."),
        text("political_intent", "Declared political content."),
        _IS_TEST,
        _SERVING,
        _STARTS,
        _ENDS,
        _CREATED,
        _CHANGED,
        _VERSION,
    ),
    ignored=_ACTORS,
    params={"q": "search", "search": {"status": {"values": CAMPAIGN_STATUSES}}},
    page_size=500,
)

CREATIVES = _entity(
    "creatives",
    "Creatives, which Campaign Manager calls ads since October 2025.",
    "creatives",
    (
        text(
            "id",
            "Creative id: the number of urn:li:sponsoredCreative:<number>.",
            required=True,
            wire=str,
            parse=partial(_number_of, kind="CREATIVE"),
            example="urn:li:sponsoredCreative:810000401",
        ),
        _ACCOUNT_ID,
        _reference("campaign_id", "Campaign it belongs to.", "CAMPAIGN", "campaign"),
        text("name", "Name as people see it in Campaign Manager; old creatives have none."),
        text("intended_status", "Status set by the advertiser."),
        flag("is_serving", "Whether it is delivered now."),
        nested("serving_hold_reasons", "Why it is not delivered, a list."),
        text("review_status", "APPROVED, PENDING, REJECTED and the like.", path="review.status"),
        nested("review_rejection_reasons", "Why it was rejected, a list.", path="review.rejectionReasons"),
        nested("content", "What is shown: a reference to a post, or texts, by format."),
        flag("is_test", "Made for tests: nothing is ever delivered."),
        _stamp("created_at", "When it was created."),
        _stamp("last_modified_at", "When it was last edited."),
    ),
    ignored=("createdBy", "lastModifiedBy"),
    params={"q": "criteria", "intendedStatuses": CREATIVE_STATUSES},
    # Elsewhere larger pages are known to be given; for creatives 100 is what other connectors keep to.
    page_size=100,
)


def _amount(name: str, description: str, **options: Any) -> Column:
    wire: Any = str | float  # a text as far as is known
    return number(name, description, default="0", wire=wire, parse=_money, example="48.1700000000017", **options)


# At most 20 are given. The five-minute budget counts fields times rows, so what nobody looks at is not asked for.
_MEASURES = (
    count("impressions", "Times shown."),
    count("clicks", "All clicks, social ones included."),
    count("landing_page_clicks", "Clicks that lead to the landing page."),
    _amount("cost_in_local_currency", "Cost in major units of the account currency.", ge=0),
    _amount("cost_in_usd", "The same in US dollars by LinkedIn's own rate.", ge=0),
    count("external_website_conversions", "Conversions on websites."),
    count("external_website_post_click_conversions", "Those of them after a click."),
    count("external_website_post_view_conversions", "Those of them after a view."),
    _amount("conversion_value_in_local_currency", "Value of conversions in major units of the account currency."),
    count("one_click_leads", "Lead forms sent in."),
    count("one_click_lead_form_opens", "Lead forms opened."),
    count("video_views", "Videos played for two seconds or more."),
    count("video_completions", "Videos played to nearly the end."),
    count("total_engagements", "All interactions, clicks included."),
)


def _pivoted(kind: str) -> Column:
    label = kind.lower()
    return text(
        f"{label}_id",
        f"The {label}.",
        required=True,
        path="pivotValues",
        wire=list[str],
        parse=partial(number_among, kind=kind),
        example=[f"{URN_OF[one]}710000301" for one in ("CAMPAIGN", "CREATIVE")],
    )


def _analytics(name: str, pivots: tuple[str, ...], slice_days: int) -> Stream:
    ids = [_pivoted(pivot) for pivot in reversed(pivots)]
    return Stream(
        name=name,
        description=f"Performance of {pivots[-1].lower()}s per day (UTC), as adAnalytics reports it with pivot "
        f"{' and '.join(pivots)}.",
        kind=Kind.REPORT,
        endpoint="adAnalytics",
        params={"pivots": pivots},
        # All that a row is told apart by: with less, one of two rows would be taken for a repetition of the other.
        key=("date", *(column.name for column in ids)),
        report_day="date",
        slice_days=slice_days,
        page_size=15_000,  # of the only page there is: what is beyond is cut off without a word
        ignored=("dateRange.end",),
        columns=(
            day(
                "date",
                "Report day, UTC for every account.",
                required=True,
                path="dateRange.start",
                wire=dict[str, int],
                parse=_day,
                example={"year": 2026, "month": 3, "day": 1},
            ),
            *ids,
            *map(_placed, _MEASURES),
        ),
    )


ANALYTICS_CAMPAIGN = _analytics("analytics_campaign", ("CAMPAIGN",), 30)
# A campaign has several creatives: fewer days stay below the cut, and an answer over it is asked for again in halves.
# With its campaign, since a deleted creative is in no listing that would tell where it belonged.
ANALYTICS_CREATIVE = _analytics("analytics_creative", ("CAMPAIGN", "CREATIVE"), 10)

STREAMS = (AD_ACCOUNTS, CAMPAIGN_GROUPS, CAMPAIGNS, CREATIVES, ANALYTICS_CAMPAIGN, ANALYTICS_CREATIVE)
