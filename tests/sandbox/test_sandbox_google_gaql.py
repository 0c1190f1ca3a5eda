"""Queries: which rows they bring, and with which code a wrong one is refused."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google_client import BERLIN, LOS_ANGELES, TOKYO, Ads, between, code, select, signed_in

from dataflow_assets.sandbox.google_ads import ids
from dataflow_assets.sandbox.google_ads.ids import MANAGER_ID
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.sandbox.world import World

Row = dict[str, Any]
APRIL = between("2026-04-01", "2026-04-30")
CHANGED = "change_status.last_change_date_time"
CHANGES = f"SELECT {CHANGED}, change_status.resource_type, change_status.resource_status FROM change_status"


@pytest.fixture
def ads(sandbox: RunningSandbox) -> Iterator[Ads]:
    with signed_in(sandbox) as client:
        yield client


# Wrong queries.


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "REQUIRED_FIELD_MISSING"),
        ("campaign.id FROM campaign", "EXPECTED_SELECT"),
        ("SELECT", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id", "EXPECTED_FROM"),
        ("SELECT campaign.id campaign.name FROM campaign", "EXPECTED_FROM"),
        ("SELECT campaign.id, FROM campaign", "BAD_FIELD_NAME"),
        ("SELECT Campaign.id FROM campaign", "BAD_FIELD_NAME"),
        ("SELECT campaign.id FROM", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id FROM campaigns", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign.nme FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM campaign WHERE campaign.nme = 'x'", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM campaign ORDER BY campaign.nme", "UNRECOGNIZED_FIELD"),
        ("SELECT segments.device, metrics.clicks FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM campaign;", "BAD_SYMBOL"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'x", "STRING_NOT_TERMINATED"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'x\ny'", "PROHIBITED_NEWLINE_IN_STRING"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 12x", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 'x'", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IS 1", "BAD_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name LIKE 'x%'", "QUERY_ERROR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name NOT LIKE 'x%'", "QUERY_ERROR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 1 OR campaign.id = 2", "UNEXPECTED_INPUT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = 1 campaign.id = 2", "UNEXPECTED_INPUT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN 1", "EXPECTED_LIST"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN ()", "PROHIBITED_EMPTY_LIST_IN_CONDITION"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id IN (1", "UNEXPECTED_INPUT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = (1)", "EXPECTED_SINGLE_VALUE"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN 1", "EXPECTED_AND"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN AND 2", "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN 2 AND 1", "INVALID_VALUE_WITH_BETWEEN_OPERATOR"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status = ENABLD", "BAD_ENUM_CONSTANT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.status > 'ENABLED'", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name DURING TODAY", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = Brand", "INVALID_STRING_VALUE"),
        ("SELECT customer.id FROM customer WHERE customer.manager = 1", "BAD_VALUE"),
        ("SELECT ad_group_ad.ad.id FROM ad_group_ad WHERE ad_group_ad.ad.final_urls = 'x'", "QUERY_ERROR"),
        ("SELECT campaign.id FROM campaign ORDER campaign.id", "EXPECTED_BY"),
        ("SELECT campaign.id FROM campaign ORDER BY metrics.clicks", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM campaign ORDER BY customer.id", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        (
            "SELECT ad_group_ad.ad.final_urls FROM ad_group_ad ORDER BY ad_group_ad.ad.final_urls",
            "PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE",
        ),
        ("SELECT campaign.id FROM campaign LIMIT", "UNEXPECTED_END_OF_QUERY"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "LIMIT_VALUE_TOO_LOW"),
        ("SELECT campaign.id FROM campaign LIMIT many", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign LIMIT 1.5", "BAD_LIMIT_VALUE"),
        ("SELECT campaign.id FROM campaign LIMIT 1 ORDER BY campaign.id", "UNEXPECTED_INPUT"),
        ("SELECT campaign.id FROM campaign PARAMETERS omit = true", "BAD_PARAMETER_NAME"),
        ("SELECT campaign.id FROM campaign PARAMETERS include_drafts = 1", "BAD_PARAMETER_VALUE"),
        ("SELECT ad_group.id FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT campaign_budget.id FROM ad_group", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT customer.id FROM customer WHERE campaign.id = 1", "PROHIBITED_RESOURCE_TYPE_IN_WHERE_CLAUSE"),
        ("SELECT metrics.clicks FROM conversion_action", "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT segments.date FROM customer_client", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
        (
            "SELECT segments.conversion_action, metrics.conversions, metrics.clicks FROM campaign",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            "SELECT metrics.conversions FROM campaign WHERE segments.conversion_action_name = 'Lead'",
            "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE",
        ),
        ("SELECT campaign.id, segments.date FROM campaign WHERE segments.date DURING TODAY", "QUERY_ERROR"),
        ("SELECT segments.date, metrics.clicks FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("SELECT metrics.clicks FROM campaign WHERE segments.date >= '2026-04-01'", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        (
            "SELECT metrics.clicks FROM campaign WHERE segments.date DURING LAST_WEEKEND",
            "INVALID_VALUE_WITH_DURING_OPERATOR",
        ),
        ("SELECT metrics.clicks FROM campaign WHERE segments.date IN ('2026-04-01')", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT metrics.clicks FROM campaign" + between("2026-04-02", "2026-04-01"), "DATE_RANGE_TOO_NARROW"),
        ("SELECT metrics.clicks FROM campaign" + between("20260401", "20260402"), "INVALID_DATE_FORMAT"),
        ("SELECT metrics.clicks FROM campaign" + between("2026-02-29", "2026-03-01"), "INVALID_DATE_FORMAT"),
        ("SELECT metrics.clicks FROM campaign WHERE segments.date = 20260401", "INVALID_DATE_FORMAT"),
    ],
)
def test_a_wrong_query_is_refused_with_its_code(ads: Ads, query: str, expected: str) -> None:
    answer = ads.post(query)
    family = "requestError" if expected == "REQUIRED_FIELD_MISSING" else "queryError"
    assert code(answer) == (400, family, expected)


def test_the_spelling_of_a_query_is_free_where_googles_is(ads: Ads) -> None:
    loose = (
        "select  campaign.id ,campaign.name\nfrom campaign\twhere campaign.status in "
        '("ENABLED",PAUSED) order by campaign.id asc limit 2'
    )
    strict = "SELECT campaign.id, campaign.name FROM campaign WHERE campaign.status IN ('ENABLED', 'PAUSED') LIMIT 2"
    assert ads.rows(loose) == ads.rows(strict)
    quoted = "SELECT campaign.id FROM campaign WHERE campaign.name = 'O\\'Hara \\\\ Sons'"
    assert ads.rows(quoted) == []


# Conditions and order.


def own(row: Row) -> Row:
    found: Row = row["campaign"]
    return found


CONDITIONS: dict[str, Callable[[Row], bool]] = {
    "campaign.status = 'PAUSED'": lambda one: one["status"] == "PAUSED",
    "campaign.status != REMOVED": lambda one: one["status"] != "REMOVED",
    "campaign.status NOT IN ('REMOVED', 'PAUSED')": lambda one: one["status"] == "ENABLED",
    "campaign.name > 'M'": lambda one: one["name"] > "M",
    "campaign.name BETWEEN 'B' AND 'P'": lambda one: "B" <= one["name"] <= "P",
    "campaign.id > 9210000000030000": lambda one: int(one["id"]) > 9210000000030000,
    "campaign.id IN (9210000000040000, '9210000000010000', 7)": lambda one: one["id"][11] in "14",
    "campaign.id = 9210000000040000 AND campaign.id IN (9210000000010000)": lambda _: False,
    "campaign.id NOT IN (9210000000040000)": lambda one: one["id"] != "9210000000040000",
    "campaign.end_date_time IS NULL": lambda one: "endDateTime" not in one,
    "campaign.end_date_time IS NOT NULL": lambda one: "endDateTime" in one,
    "campaign.end_date_time < '2027-01-01'": lambda one: "endDateTime" in one,
    "campaign.advertising_channel_sub_type != VIDEO_ACTION": lambda one: "advertisingChannelSubType" not in one,
    "campaign.start_date_time >= '2026-01-01'": lambda one: one["startDateTime"] >= "2026-01-01",
    "campaign.start_date_time <= '2026-02-24 00:00'": lambda one: one["startDateTime"] <= "2026-02-24 00:00:00",
    "campaign.campaign_budget = 'customers/3100000013/campaignBudgets/9240000000020000'": (
        lambda one: one["id"] == "9210000000020000"
    ),
    "campaign_budget.amount_micros BETWEEN 0 AND 200000000": lambda one: int(one["budget"]) <= 200000000,
    "customer.manager = FALSE": lambda _: True,
    "customer.manager = true": lambda _: False,
}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_brings_the_rows_that_meet_it(sandbox: RunningSandbox, ads: Ads, condition: str) -> None:
    truth = sandbox.truth("google_ads", "campaigns", account=BERLIN)
    expected = [
        row
        for row in truth
        if CONDITIONS[condition]({**row["campaign"], "budget": row["campaignBudget"]["amountMicros"]})
    ]
    assert ads.rows(select("campaigns", f" WHERE {condition}")) == expected


def test_conditions_on_metrics_are_put_to_the_sums_of_the_rows(sandbox: RunningSandbox, ads: Ads) -> None:
    daily = sandbox.truth("google_ads", "campaign_performance", account=BERLIN)
    busy = [row for row in daily if int(row["metrics"]["clicks"]) > 300 and row["metrics"]["conversions"] >= 2.5]
    query = select("campaign_performance", APRIL + " AND metrics.clicks > 300 AND metrics.conversions >= 2.5")
    assert ads.rows(query) == [row for row in busy if row["segments"]["date"].startswith("2026-04")]
    clicks: dict[str, int] = defaultdict(int)
    for row in daily:
        if row["segments"]["date"].startswith("2026-04"):
            clicks[row["campaign"]["id"]] += int(row["metrics"]["clicks"])
    most = max(clicks.values())
    found = ads.rows(f"SELECT campaign.id FROM campaign{APRIL} AND metrics.clicks >= {most}")
    assert [row["campaign"]["id"] for row in found] == [one for one, count in clicks.items() if count == most]


def test_rows_come_in_the_order_asked_for_with_what_is_not_set_first(sandbox: RunningSandbox, ads: Ads) -> None:
    truth = [row["campaign"] for row in sandbox.truth("google_ads", "campaigns", account=BERLIN)]
    by_status = ads.rows("SELECT campaign.name FROM campaign ORDER BY campaign.status DESC, campaign.name")
    expected = sorted(sorted(truth, key=lambda one: one["name"]), key=lambda one: one["status"], reverse=True)
    assert [own(row)["name"] for row in by_status] == [one["name"] for one in expected]
    by_end = ads.rows("SELECT campaign.end_date_time FROM campaign ORDER BY campaign.end_date_time")
    assert ["endDateTime" in own(row) for row in by_end] == [False] * 5 + [True]
    costly = ads.rows(f"SELECT campaign.id, metrics.cost_micros FROM campaign{APRIL} ORDER BY metrics.cost_micros DESC")
    costs = [int(row["metrics"]["costMicros"]) for row in costly]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] > costs[-1]


# Days.


@pytest.mark.parametrize(
    ("condition", "first", "last"),
    [
        ("BETWEEN '2026-04-03' AND '2026-04-05'", "2026-04-03", "2026-04-05"),
        ("= '2026-04-03'", "2026-04-03", "2026-04-03"),
        (">= '2026-04-03' AND segments.date < '2026-04-05'", "2026-04-03", "2026-04-04"),
        ("> '2026-04-03' AND segments.date <= '2026-04-05'", "2026-04-04", "2026-04-05"),
        ("DURING TODAY", "2026-05-01", "2026-05-01"),
        ("DURING YESTERDAY", "2026-04-30", "2026-04-30"),
        ("DURING LAST_7_DAYS", "2026-04-24", "2026-04-30"),
        ("DURING LAST_14_DAYS", "2026-04-17", "2026-04-30"),
        ("DURING LAST_30_DAYS", "2026-04-01", "2026-04-30"),
        ("DURING THIS_MONTH", "2026-05-01", "2026-05-01"),
        ("DURING LAST_MONTH", "2026-04-01", "2026-04-30"),
    ],
)
def test_a_range_holds_its_first_and_its_last_day(
    sandbox: RunningSandbox, ads: Ads, condition: str, first: str, last: str
) -> None:
    truth = sandbox.truth(
        "google_ads",
        "campaign_performance",
        account=BERLIN,
        first=date.fromisoformat(first),
        last=date.fromisoformat(last),
    )
    assert ads.rows(select("campaign_performance", f" WHERE segments.date {condition}")) == truth
    days = {row["segments"]["date"] for row in truth}
    assert (min(days), max(days)) == (first, last)


def test_today_is_that_of_the_customers_zone(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.clock.set(datetime(2026, 4, 10, 20, tzinfo=UTC))
    ads.sign_in()
    query = "SELECT segments.date, metrics.impressions FROM customer WHERE segments.date DURING YESTERDAY"
    days = {customer: ads.rows(query, customer)[0]["segments"]["date"] for customer in (BERLIN, LOS_ANGELES, TOKYO)}
    assert days == {BERLIN: "2026-04-09", LOS_ANGELES: "2026-04-09", TOKYO: "2026-04-10"}


def test_without_the_date_selected_a_range_is_summed_up(sandbox: RunningSandbox, ads: Ads) -> None:
    names = ("impressions", "clicks", "costMicros", "conversions", "viewThroughConversions")
    fields = ("impressions", "clicks", "cost_micros", "conversions", "view_through_conversions")
    selected = ", ".join(f"metrics.{field}" for field in fields)
    truth = sandbox.truth("google_ads", "campaign_performance", account=TOKYO)
    expected: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(names))
    for row in truth:
        if row["segments"]["date"].startswith("2026-04"):
            for number, name in enumerate(names):
                expected[row["campaign"]["id"]][number] += float(row["metrics"][name])
    found = ads.rows(f"SELECT campaign.id, {selected} FROM campaign{APRIL}", TOKYO)
    sums = {row["campaign"]["id"]: [float(row["metrics"][name]) for name in names] for row in found}
    assert sums == {row["campaign"]["id"]: expected[row["campaign"]["id"]] for row in found}
    (whole,) = ads.rows(f"SELECT {selected} FROM customer{APRIL}", TOKYO)
    assert [float(whole["metrics"][name]) for name in names] == [sum(one) for one in zip(*sums.values(), strict=True)]
    (ever,) = ads.rows("SELECT metrics.clicks FROM customer", TOKYO)
    assert int(ever["metrics"]["clicks"]) == sum(int(row["metrics"]["clicks"]) for row in truth)


def test_ratios_are_fractions_and_micros_and_absent_where_nothing_divides(ads: Ads) -> None:
    counts = "metrics.clicks, metrics.impressions, metrics.cost_micros"
    for row in ads.rows(f"SELECT {counts}, metrics.ctr, metrics.average_cpc FROM campaign{APRIL}"):
        found = row["metrics"]
        clicks, impressions = int(found["clicks"]), int(found["impressions"])
        if impressions:
            assert found["ctr"] == pytest.approx(clicks / impressions)
            assert found["averageCpc"] == pytest.approx(int(found["costMicros"]) / clicks)
        else:
            assert found.keys() == {"clicks", "impressions", "costMicros"}
            assert found["clicks"] == "0"


def test_rows_of_nothing_are_there_without_segments_and_not_with_them(sandbox: RunningSandbox, ads: Ads) -> None:
    everything = {row["campaign"]["id"] for row in sandbox.truth("google_ads", "campaigns", account=BERLIN)}
    summed = ads.rows(f"SELECT campaign.id, metrics.clicks FROM campaign{APRIL}")
    idle = {row["campaign"]["id"] for row in summed if row["metrics"]["clicks"] == "0"}
    assert {row["campaign"]["id"] for row in summed} == everything
    assert 0 < len(idle) < len(everything)
    daily = ads.rows(f"SELECT campaign.id, segments.date, metrics.clicks FROM campaign{APRIL}")
    assert {row["campaign"]["id"] for row in daily} == everything - idle


def test_another_metric_can_bring_more_rows(ads: Ads) -> None:
    few = ads.rows(f"SELECT segments.date, metrics.conversions FROM ad_group_ad{APRIL}")
    many = ads.rows(f"SELECT segments.date, metrics.conversions, metrics.clicks FROM ad_group_ad{APRIL}")
    assert all(row["metrics"]["conversions"] for row in few)
    assert len(few) < len(many)
    assert any(not row["metrics"]["conversions"] for row in many)


def test_rows_by_day_end_37_months_ago_and_sums_do_not(sandbox: RunningSandbox, ads: Ads) -> None:
    query = "SELECT segments.date, metrics.clicks FROM campaign"
    assert ads.post(query + between("2023-04-01", "2026-01-31")).status_code == 200
    refused = ads.post(query + between("2023-03-31", "2026-01-31"))
    assert code(refused) == (400, "dateRangeError", "INVALID_DATE")
    sandbox.limits("google_ads", history_error="REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED")
    refused = ads.post(query + between("2023-03-31", "2026-01-31"))
    assert code(refused) == (400, "dateRangeError", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED")
    assert ads.post("SELECT metrics.clicks FROM campaign" + between("2016-01-01", "2026-01-31")).status_code == 200


# What is particular.


def test_a_manager_has_no_metrics_and_no_campaigns(ads: Ads) -> None:
    refused = ads.post("SELECT metrics.clicks FROM customer", MANAGER_ID)
    assert code(refused) == (400, "queryError", "REQUESTED_METRICS_FOR_MANAGER")
    for stream in ("campaigns", "ad_groups", "ads", "conversion_actions"):
        assert ads.rows(select(stream), MANAGER_ID) == []


def test_removed_campaigns_are_listed_and_keep_their_figures(sandbox: RunningSandbox, ads: Ads) -> None:
    removed = {own(row)["id"] for row in ads.rows("SELECT campaign.id FROM campaign WHERE campaign.status = REMOVED")}
    assert len(removed) == 2
    rows = ads.rows("SELECT campaign.id, campaign.status, metrics.cost_micros FROM campaign")
    assert {own(row)["id"] for row in rows if own(row)["status"] == "REMOVED"} == removed
    assert all(int(row["metrics"]["costMicros"]) > 0 for row in rows if own(row)["id"] in removed)


def test_performance_max_has_figures_and_no_ads_so_ads_do_not_add_up_to_campaigns(ads: Ads) -> None:
    (pmax,) = ads.rows("SELECT campaign.id FROM campaign WHERE campaign.advertising_channel_type = PERFORMANCE_MAX")
    inside = f" WHERE campaign.id = {own(pmax)['id']}"
    assert ads.rows("SELECT ad_group.id FROM ad_group" + inside) == []
    assert ads.rows("SELECT ad_group_ad.ad.id FROM ad_group_ad" + inside) == []

    def cost(resource: str, where: str = APRIL) -> int:
        rows = ads.rows(f"SELECT metrics.cost_micros FROM {resource}{where}")
        return sum(int(row["metrics"]["costMicros"]) for row in rows)

    alone = cost("campaign", f"{APRIL} AND campaign.id = {own(pmax)['id']}")
    assert alone > 0
    assert cost("campaign") == cost("customer") == cost("ad_group_ad") + alone
    assert cost("ad_group") == cost("ad_group_ad")


def test_conversion_actions_split_what_their_campaign_has(sandbox: RunningSandbox, ads: Ads) -> None:
    by_action = ads.rows(select("conversions_by_action", APRIL))
    whole = ads.rows(select("campaign_performance", APRIL))
    for name in ("conversions", "conversionsValue", "allConversions", "allConversionsValue"):
        assert sum(row["metrics"][name] for row in by_action) == pytest.approx(
            sum(row["metrics"][name] for row in whole)
        )
    kinds = {
        (row["segments"]["conversionActionName"], row["segments"]["conversionActionCategory"]) for row in by_action
    }
    assert kinds == {("Purchase", "PURCHASE"), ("Lead", "SUBMIT_LEAD_FORM")}
    listed = {
        row["conversionAction"]["resourceName"]
        for row in ads.rows("SELECT conversion_action.id, conversion_action.resource_name FROM conversion_action")
    }
    assert {row["segments"]["conversionAction"] for row in by_action} == listed
    leads = select("conversions_by_action", f"{APRIL} AND segments.conversion_action_name = 'Lead'")
    assert ads.rows(leads) == [row for row in by_action if row["segments"]["conversionActionName"] == "Lead"]


def test_a_page_may_end_between_two_conversion_actions_of_a_day(sandbox: RunningSandbox, ads: Ads) -> None:
    query = f"SELECT segments.date, segments.conversion_action_name, metrics.conversions FROM customer{APRIL}"
    whole = ads.rows(query)
    assert len(whole) > len({row["segments"]["date"] for row in whole})
    sandbox.limits("google_ads", page_rows=1)
    assert ads.rows(query) == whole


def test_what_is_not_set_is_absent(ads: Ads) -> None:
    names = ads.rows("SELECT ad_group_ad.ad.name, ad_group_ad.ad.type FROM ad_group_ad")
    nameless = {row["adGroupAd"]["ad"]["type"] for row in names if "name" not in row["adGroupAd"]["ad"]}
    named = {row["adGroupAd"]["ad"]["type"] for row in names if "name" in row["adGroupAd"]["ad"]}
    assert nameless == {"RESPONSIVE_SEARCH_AD"}
    assert named == {"DEMAND_GEN_MULTI_ASSET_AD", "IMAGE_AD", "VIDEO_RESPONSIVE_AD"}
    bids = ads.rows("SELECT ad_group.type, ad_group.cpc_bid_micros FROM ad_group")
    with_bids = {row["adGroup"].get("type") for row in bids if "cpcBidMicros" in row["adGroup"]}
    assert with_bids == {"SEARCH_STANDARD", "DISPLAY_STANDARD"}
    assert any("type" not in row["adGroup"] for row in bids)


# Changes.


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", "CHANGE_DATE_RANGE_INFINITE"),
        (f" WHERE {CHANGED} >= '2026-04-01' LIMIT 10", "CHANGE_DATE_RANGE_INFINITE"),
        (f" WHERE {CHANGED} <= '2026-04-01' LIMIT 10", "CHANGE_DATE_RANGE_INFINITE"),
        (f" WHERE {CHANGED} > '2026-04-02' AND {CHANGED} < '2026-04-01' LIMIT 10", "CHANGE_DATE_RANGE_NEGATIVE"),
        (f" WHERE {CHANGED} BETWEEN '2026-01-30 23:59:59' AND '2026-04-01' LIMIT 10", "START_DATE_TOO_OLD"),
        (f" WHERE {CHANGED} BETWEEN '2026-04-01' AND '2026-05-01'", "LIMIT_NOT_SPECIFIED"),
        (f" WHERE {CHANGED} BETWEEN '2026-04-01' AND '2026-05-01' LIMIT 10001", "INVALID_LIMIT_CLAUSE"),
    ],
)
def test_changes_need_a_finite_time_within_90_days_and_a_limit(ads: Ads, where: str, expected: str) -> None:
    assert code(ads.post(CHANGES + where)) == (400, "changeStatusError", expected)


@pytest.mark.parametrize(
    "where",
    [
        f"{CHANGED} BETWEEN '2026-01-31' AND '2026-05-01'",
        f"{CHANGED} >= '2026-01-31 00:00:00' AND {CHANGED} <= '2026-05-02 12:00:00.5'",
        f"{CHANGED} DURING LAST_30_DAYS",
    ],
)
def test_a_range_of_changes_can_be_written_in_several_ways(ads: Ads, where: str) -> None:
    assert ads.rows(f"{CHANGES} WHERE {where} LIMIT 10000")


SEEN = {
    "CAMPAIGN": ("campaign", "campaign", "campaign.name, campaign.status"),
    "CAMPAIGN_BUDGET": ("campaignBudget", "campaign", "campaign_budget.amount_micros"),
    "AD_GROUP": ("adGroup", "ad_group", "ad_group.name, ad_group.status, ad_group.cpc_bid_micros"),
    "AD_GROUP_AD": ("adGroupAd", "ad_group_ad", "ad_group_ad.ad.name, ad_group_ad.status"),
}


def seen(ads: Ads, kind: str) -> dict[str, Row]:
    """What can be seen of all things of a kind, by resource name."""
    group, resource, fields = SEEN[kind]
    return {row[group]["resourceName"]: row[group] for row in ads.rows(f"SELECT {fields} FROM {resource}")}


@pytest.mark.parametrize("kind", SEEN)
def test_what_differs_between_two_instants_is_among_the_changes_between_them(
    sandbox: RunningSandbox, ads: Ads, kind: str
) -> None:
    since, until = datetime(2026, 2, 1, 12, tzinfo=UTC), datetime(2026, 4, 20, 12, tzinfo=UTC)
    sandbox.clock.set(since)
    ads.sign_in()
    before = seen(ads, kind)
    sandbox.clock.set(until)
    ads.sign_in()
    after = seen(ads, kind)
    # Berlin is an hour, then two, ahead of UTC.
    first, last = since.replace(tzinfo=None) + timedelta(hours=1), until.replace(tzinfo=None) + timedelta(hours=2)
    name = f"change_status.{SEEN[kind][0]}".replace("campaignBudget", "campaign_budget")
    name = name.replace("adGroupAd", "ad_group_ad").replace("adGroup", "ad_group")
    query = (
        f"SELECT {name}, change_status.resource_status, {CHANGED} FROM change_status WHERE {CHANGED} "
        f"BETWEEN '{first}' AND '{last}' AND change_status.resource_type = {kind} ORDER BY {CHANGED} LIMIT 10000"
    )
    rows = [row["changeStatus"] for row in ads.rows(query)]
    times = [row["lastChangeDateTime"] for row in rows]
    assert times == sorted(times)
    assert all(len(time) == len("2026-02-01 13:00:00.000000") for time in times)
    changed = {row[SEEN[kind][0]]: row["resourceStatus"] for row in rows}
    differing = {one for one in after if before.get(one) != after[one]}
    assert differing <= changed.keys()
    removed = {one for one in changed if after[one].get("status") == "REMOVED"}
    assert {one for one, what in changed.items() if what == "REMOVED"} == removed
    assert {one for one, what in changed.items() if what == "ADDED"} <= after.keys() - before.keys()
    assert differing


def test_a_change_has_the_time_of_its_customer_and_a_budget_is_no_campaign(sandbox: RunningSandbox, ads: Ads) -> None:
    world = World(sandbox.config)
    account, instant = world.accounts("google_ads")[1], sandbox.clock.epoch()
    expected: dict[str, dict[str, str]] = {"CAMPAIGN": {}, "CAMPAIGN_BUDGET": {}}
    for campaign in world.campaigns(account):
        states = [state for state in campaign.life.states if state.updated <= instant]
        own, budget = states[0].updated, states[0].updated
        for before, after in pairwise(states):
            if before.daily_budget != after.daily_budget:
                budget = after.updated
            else:
                own = after.updated
        name = ids.campaign_name(campaign)
        for kind, at in (("CAMPAIGN", own), ("CAMPAIGN_BUDGET", budget)):
            local = datetime.fromtimestamp(at, ZoneInfo("America/Los_Angeles"))
            if local.date() >= date(2026, 2, 1):
                expected[kind][name] = local.strftime("%Y-%m-%d %H:%M:%S.000000")
    for kind, times in expected.items():
        rows = ads.rows(
            f"SELECT change_status.campaign, {CHANGED} FROM change_status WHERE {CHANGED} BETWEEN '2026-02-01' "
            f"AND '2026-05-02' AND change_status.resource_type = {kind} LIMIT 10000",
            LOS_ANGELES,
        )
        found = [row["changeStatus"] for row in rows]
        assert {one["campaign"]: one["lastChangeDateTime"] for one in found} == times
        assert times
    assert expected["CAMPAIGN"] != expected["CAMPAIGN_BUDGET"]
