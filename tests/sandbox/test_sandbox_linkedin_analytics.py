"""adAnalytics by bare HTTP: fields, pivots, facets, periods, money, and what changes after the fact."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from linkedin_client import FIELDS, MARCH, METRICS, MILLIONTH, MONEY, Rest, code, daily, settled

from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import Moment, WorldConfig
from dataflow_assets.sandbox.world.performance import total

VIDEO = "videoViews,videoStarts,videoCompletions,likes,shares,comments,follows,reactions"
COUNTS = [name for name in METRICS.split(",") if name not in MONEY]


@pytest.fixture
def rest(sandbox: RunningSandbox) -> Iterator[Rest]:
    with httpx.Client() as client:
        yield Rest(sandbox, client)


@pytest.fixture
def account(sandbox: RunningSandbox) -> int:
    return int(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])


def sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The metrics added up, money rounded before."""
    found: dict[str, Any] = defaultdict(int)
    for row in map(settled, rows):
        for name in METRICS.split(","):
            found[name] += row.get(name, 0)
    return dict(found)


def day_of(row: dict[str, Any], end: str = "start") -> date:
    return date(**row["dateRange"][end])


# Fields.


def test_only_impressions_and_clicks_come_unasked(rest: Rest, account: int) -> None:
    query = daily(account).partition("&fields=")[0]
    rows = rest.get("adAnalytics", query).json()["elements"]
    assert {frozenset(row) for row in rows} == {frozenset({"impressions", "clicks"})}


@pytest.mark.parametrize("fields", ["List(dateRange,costInUsd)", "['dateRange',%20'costInUsd']", ""])
def test_a_list_of_fields_gives_the_default(rest: Rest, account: int, fields: str) -> None:
    rows = rest.analytics(account, fields=fields)
    assert {frozenset(row) for row in rows} == {frozenset({"impressions", "clicks"})}


def test_only_the_days_and_things_may_be_asked_for(rest: Rest, account: int) -> None:
    rows = rest.analytics(account, fields="dateRange,pivotValues")
    whole = rest.analytics(account)
    assert rows == [{name: row[name] for name in ("dateRange", "pivotValues")} for row in whole]


@pytest.mark.parametrize("field", ["pivot", "pivotValue", "spend", "costInEuro"])
def test_a_field_that_is_not_there_is_refused(rest: Rest, account: int, field: str) -> None:
    assert code(rest.analytics(account, fields=f"dateRange,{field}")) == (400, "FIELD_INVALID")


def test_twenty_fields_are_the_most(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    twenty = f"{FIELDS},{VIDEO}"
    assert len(twenty.split(",")) == 20
    assert len(rest.analytics(account, fields=twenty)) > 0
    assert code(rest.analytics(account, fields=f"{twenty},opens")) == (400, "PARAM_INVALID")
    sandbox.limits("linkedin_ads", most_fields=2)
    assert code(rest.analytics(account)) == (400, "PARAM_INVALID")


def test_metrics_that_the_world_does_not_have_are_absent(rest: Rest, account: int) -> None:
    rows = rest.analytics(account, fields="dateRange,impressions,videoViews")
    assert {frozenset(row) for row in rows} == {frozenset({"dateRange", "impressions"})}
    assert rest.analytics(account, fields="dateRange,videoViews") == []


def test_a_row_may_be_missing_in_one_choice_of_fields_and_there_in_another(rest: Rest, account: int) -> None:
    with_clicks = rest.analytics(account, fields="dateRange,pivotValues,clicks,oneClickLeads")
    only_leads = rest.analytics(account, fields="dateRange,pivotValues,oneClickLeads")
    assert 0 < len(only_leads) < len(with_clicks)
    assert only_leads == [
        {name: row[name] for name in ("dateRange", "pivotValues", "oneClickLeads")}
        for row in with_clicks
        if row["oneClickLeads"]
    ]


# Figures.


def test_counts_are_numbers_and_money_is_text_with_noise_at_times(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    rows = rest.analytics(account, "CREATIVE")
    assert {type(row[name]) for row in rows for name in COUNTS} == {int}
    for name in MONEY:
        texts = [row[name] for row in rows if Decimal(row[name])]
        noisy = [text for text in texts if Decimal(text) != Decimal(text).quantize(MILLIONTH)]
        assert len(texts) / 5 < len(noisy) < len(texts) / 2
        assert max(abs(Decimal(text) - Decimal(text).quantize(MILLIONTH)) for text in noisy) < MILLIONTH / 1000
    truth = sandbox.truth("linkedin_ads", "analytics_creative", first=date(2026, 3, 1), last=date(2026, 3, 31))
    assert all(Decimal(row[name]) == Decimal(row[name]).quantize(MILLIONTH) for row in truth for name in MONEY)


def test_dollars_come_from_local_money_by_a_fixed_rate() -> None:
    config = WorldConfig(linkedin_accounts=8, meta_accounts=1, campaigns_per_account=1, days=40)
    with run_sandbox(config) as sandbox:
        rates: dict[str, set[Decimal]] = defaultdict(set)
        for one in sandbox.truth("linkedin_ads", "ad_accounts"):
            for row in sandbox.truth("linkedin_ads", "analytics_campaign", account=str(one["id"])):
                if Decimal(row["costInLocalCurrency"]):
                    rate = Decimal(row["costInUsd"]) / Decimal(row["costInLocalCurrency"])
                    rates[one["currency"]].add(rate.normalize())
        assert all(len(found) == 1 for found in rates.values())
        assert rates["USD"] == {Decimal(1)}
        assert rates["JPY"] == {Decimal("0.0067")}
        assert len(rates) == 8


def test_conversions_are_those_after_clicks_and_views(rest: Rest, account: int) -> None:
    rows = rest.analytics(account)
    assert all(
        row["externalWebsiteConversions"]
        == row["externalWebsitePostClickConversions"] + row["externalWebsitePostViewConversions"]
        for row in rows
    )
    for row in rows:
        assert bool(row["externalWebsiteConversions"]) == bool(Decimal(row["conversionValueInLocalCurrency"]))
    whole = sums(rows)
    assert min(whole["externalWebsitePostClickConversions"], whole["externalWebsitePostViewConversions"]) > 0
    assert whole["oneClickLeads"] > 0


def test_each_metric_is_what_the_world_counted(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    world = sandbox._sandbox.core.world
    of = world.accounts("linkedin_ads")[0]
    moment = Moment.of(of, sandbox._sandbox.core.clock.epoch())
    first, last = date(2026, 3, 1).toordinal(), date(2026, 3, 31).toordinal()
    whole = total(world.delivered(world.ads_under(of), first, last, moment))
    assert whole is not None
    cents = Decimal("0.01")
    assert sums(rest.analytics(account)) == {
        "impressions": whole.impressions,
        "clicks": whole.clicks,
        "landingPageClicks": whole.link_clicks,
        "costInLocalCurrency": whole.spend * cents,
        "costInUsd": whole.spend * cents * Decimal("1.08"),
        "externalWebsiteConversions": whole.purchases_28d_click + whole.purchases_1d_view,
        "externalWebsitePostClickConversions": whole.purchases_28d_click,
        "externalWebsitePostViewConversions": whole.purchases_1d_view,
        "conversionValueInLocalCurrency": (whole.value_28d_click + whole.value_1d_view) * cents,
        "oneClickLeads": whole.leads_28d_click + whole.leads_1d_view,
    }


def test_no_row_without_activity(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    rows = rest.analytics(account, "CREATIVE")
    assert all(row["impressions"] > 0 for row in rows)
    there = {(str(row["pivotValues"]), day_of(row)) for row in rows}
    things = {name for name, _ in there}
    assert len(there) < len(things) * 31


def test_a_campaign_is_the_sum_of_its_creatives_also_of_those_that_are_gone(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    creatives = rest.analytics(account, "CREATIVE")
    for pivot in ("CAMPAIGN", "CAMPAIGN_GROUP", "ACCOUNT"):
        assert sums(rest.analytics(account, pivot)) == sums(creatives)
    known = {row["id"] for row in sandbox.truth("linkedin_ads", "creatives")}
    gone = [row for row in creatives if row["pivotValues"][0] not in known]
    assert gone
    kept = sandbox.truth("linkedin_ads", "analytics_creative", account=str(account), deleted=False)
    assert {row["pivotValues"][0] for row in kept} <= known
    assert len(kept) < len(sandbox.truth("linkedin_ads", "analytics_creative", account=str(account)))


# Pivots.


def test_each_pivot_names_its_own_kind(rest: Rest, account: int) -> None:
    kinds = {
        "ACCOUNT": "urn:li:sponsoredAccount",
        "CAMPAIGN_GROUP": "urn:li:sponsoredCampaignGroup",
        "CAMPAIGN": "urn:li:sponsoredCampaign",
        "CREATIVE": "urn:li:sponsoredCreative",
        "CONVERSION": "urn:lla:llaPartnerConversion",
    }
    for pivot, prefix in kinds.items():
        rows = rest.analytics(account, pivot)
        assert {row["pivotValues"][0].rpartition(":")[0] for row in rows} == {prefix}


def test_a_conversion_rule_has_the_conversions_and_nothing_else(rest: Rest, account: int) -> None:
    rows = rest.analytics(account, "CONVERSION")
    query = f"q=account&account=urn%3Ali%3AsponsoredAccount%3A{account}"
    (rule,) = rest.get("conversions", query).json()["elements"]
    assert {row["pivotValues"][0] for row in rows} == {f"urn:lla:llaPartnerConversion:{rule['id']}"}
    assert {row["impressions"] for row in rows} == {0}
    whole, found = sums(rest.analytics(account)), sums(rows)
    for name in ("externalWebsiteConversions", "externalWebsitePostViewConversions", "conversionValueInLocalCurrency"):
        assert found[name] == whole[name] > 0
    assert found["costInLocalCurrency"] == found["oneClickLeads"] == 0
    days = rest.analytics(account, "CONVERSION", fields="dateRange")
    assert days == [{"dateRange": row["dateRange"]} for row in rows]
    assert rest.analytics(account, "CONVERSION", fields="dateRange,impressions") == []


def test_statistics_take_up_to_three_pivots_in_any_order(rest: Rest, account: int) -> None:
    def ask(pivots: str) -> httpx.Response:
        query = daily(account).replace("q=analytics&pivot=CAMPAIGN", f"q=statistics&pivots=List({pivots})")
        return rest.get("adAnalytics", query)

    rows = ask("CREATIVE,ACCOUNT,CAMPAIGN").json()["elements"]
    creatives = rest.analytics(account, "CREATIVE")
    assert [row["pivotValues"][0] for row in rows] == [row["pivotValues"][0] for row in creatives]
    assert {row["pivotValues"][1] for row in rows} == {f"urn:li:sponsoredAccount:{account}"}
    assert ask("(value:CAMPAIGN)").json()["elements"] == rest.analytics(account)
    by_rule = ask("CAMPAIGN,CONVERSION").json()["elements"]
    assert sums(by_rule)["externalWebsiteConversions"] == sums(rows)["externalWebsiteConversions"]
    assert code(ask("ACCOUNT,CAMPAIGN_GROUP,CAMPAIGN,CREATIVE")) == (400, "PARAM_INVALID")
    assert code(ask("CAMPAIGN,MEMBER_COUNTRY_V2")) == (400, "FIELD_INVALID")
    assert code(ask("CAMPAIGN,CAMPAIGN")) == (400, "PARAM_INVALID")
    assert code(ask("")) == (400, "PARAM_INVALID")
    assert ask("CAMPAIGN,TYPO").json()["errorDetails"]["inputErrors"][0]["input"]["inputPath"] == {
        "fieldPath": "pivots_1"
    }


@pytest.mark.parametrize("pivot", ["MEMBER_COUNTRY_V2", "COMPANY", "SHARE", "campaign", "List(CAMPAIGN)", ""])
def test_a_pivot_that_is_not_reproduced_or_none_is_refused(rest: Rest, account: int, pivot: str) -> None:
    assert code(rest.analytics(account, pivot)) == (400, "PARAM_INVALID")


# Facets.


def facets(**urns: list[str]) -> str:
    lists = [f"{name}=List({','.join(urn.replace(':', '%3A') for urn in some)})" for name, some in urns.items()]
    return f"q=analytics&pivot=CREATIVE&timeGranularity=DAILY&{MARCH}&{'&'.join(lists)}&fields={FIELDS}"


def test_facets_choose_and_hold_together(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    whole = rest.analytics(account, "CREATIVE")
    campaigns = sandbox.truth("linkedin_ads", "campaigns", account=str(account))
    creatives = sandbox.truth("linkedin_ads", "creatives", account=str(account))
    first = f"urn:li:sponsoredCampaign:{campaigns[0]['id']}"
    own = {row["id"] for row in creatives if row["campaign"] == first}
    account_urn = f"urn:li:sponsoredAccount:{account}"

    def found(**urns: list[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = rest.get("adAnalytics", facets(**urns)).json()["elements"]
        return rows

    below = found(campaigns=[first])
    assert {row["pivotValues"][0] for row in below} >= own
    assert found(campaigns=[first], accounts=[account_urn]) == below
    group = campaigns[0]["campaignGroup"]
    both = [row for row in campaigns if row["campaignGroup"] == group]
    of_group = found(campaignGroups=[group])
    assert of_group == found(campaigns=[f"urn:li:sponsoredCampaign:{row['id']}" for row in reversed(both)])
    one = min(own)
    assert found(creatives=[one], campaignGroups=[group]) == [row for row in whole if row["pivotValues"] == [one]]
    other = sandbox.truth("linkedin_ads", "ad_accounts")[1]["id"]
    assert found(creatives=[one], accounts=[f"urn:li:sponsoredAccount:{other}"]) == []
    assert found(accounts=[account_urn, f"urn:li:sponsoredAccount:{other}", account_urn]) == [
        *whole,
        *rest.analytics(other, "CREATIVE"),
    ]


def test_an_account_that_one_may_not_see_yields_nothing_without_an_error(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    answer = rest.get("adAnalytics", daily(508000111))
    assert (answer.status_code, answer.json()["elements"]) == (200, [])
    assert rest.get("adAccounts/508000111").status_code == 404
    mixed = [f"urn:li:sponsoredAccount:{one}" for one in (508000111, account)]
    assert rest.get("adAnalytics", facets(accounts=mixed)).json()["elements"] == rest.analytics(account, "CREATIVE")


@pytest.mark.parametrize(
    "wrong",
    [
        {"accounts": ["urn:li:sponsoredCampaign:7"]},
        {"campaigns": ["7"]},
        {"creatives": ["urn:li:sponsoredCreative:x"]},
        {"shares": ["urn:li:share:7"]},
        {"companies": ["urn:li:organization:7"]},
        {},
    ],
)
def test_a_facet_that_is_none_is_refused(rest: Rest, wrong: dict[str, list[str]]) -> None:
    assert code(rest.get("adAnalytics", facets(**wrong)))[0] == 400


# Days.


def test_days_are_of_utc_and_both_ends_belong_to_the_range(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    days = "dateRange=(start:(year:2026,month:3,day:30),end:(year:2026,month:4,day:2))"
    rows = rest.analytics(account, days=days)
    assert {day_of(row) for row in rows} == {date(2026, 3, 30), date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2)}
    assert all(row["dateRange"]["start"] == row["dateRange"]["end"] for row in rows)
    sandbox.clock.set(datetime(2026, 4, 1, 0, 0, tzinfo=UTC))
    assert max(day_of(row) for row in rest.analytics(account, days=days)) == date(2026, 3, 31)
    sandbox.clock.set(datetime(2026, 4, 1, 2, 0, tzinfo=UTC))
    assert max(day_of(row) for row in rest.analytics(account, days=days)) == date(2026, 4, 1)


def test_without_an_end_the_range_lasts_until_today(rest: Rest, account: int) -> None:
    open_end = "dateRange=(start:(year:2026,month:4,day:28))"
    assert max(day_of(row) for row in rest.analytics(account, days=open_end)) == date(2026, 5, 1)
    assert rest.analytics(account, days="dateRange=(start:(year:2027,month:1,day:1))") == []


@pytest.mark.parametrize(
    "days",
    [
        "dateRange=(start:(year:2026,month:2,day:30))",
        "dateRange=(start:(year:2026,month:2))",
        "dateRange=(start:(year:2026,month:2,day:x))",
        "dateRange=(start:(year:2026,month:2,day:2),end:(year:2026,month:2,day:1))",
        "dateRange=(end:(year:2026,month:2,day:1))",
        "dateRange=(start:2026-02-01)",
        "dateRange=(start:(year:99999999999999999999,month:2,day:1))",
        "dateRange=(start:(year:2026,month:2,day:1),end:(year:9999,month:12,day:31))",
        "dateRange=()",
        "",
    ],
)
def test_a_range_that_is_none_is_refused(rest: Rest, account: int, days: str) -> None:
    assert code(rest.analytics(account, days=days)) == (400, "PARAM_INVALID")


@pytest.mark.parametrize(
    ("granularity", "ranges"),
    [
        ("ALL", [("2025-12-15", "2026-03-10")]),
        ("YEARLY", [("2025-12-15", "2025-12-31"), ("2026-01-01", "2026-03-10")]),
        (
            "MONTHLY",
            [
                ("2025-12-15", "2025-12-31"),
                ("2026-01-01", "2026-01-31"),
                ("2026-02-01", "2026-02-28"),
                ("2026-03-01", "2026-03-10"),
            ],
        ),
    ],
)
def test_longer_periods_are_sums_of_days(
    rest: Rest, account: int, granularity: str, ranges: list[tuple[str, str]]
) -> None:
    days = "dateRange=(start:(year:2025,month:12,day:15),end:(year:2026,month:3,day:10))"
    query = daily(account, "ACCOUNT", days)
    rows = rest.get("adAnalytics", query.replace("=DAILY", f"={granularity}")).json()["elements"]
    seen = [(day_of(row).isoformat(), day_of(row, "end").isoformat()) for row in rows]
    # The world's history begins with the year.
    assert seen == [one for one in ranges if one[1] >= "2026"]
    by_day = rest.get("adAnalytics", query).json()["elements"]
    for row in rows:
        inside = [one for one in by_day if day_of(row) <= day_of(one) <= day_of(row, "end")]
        assert sums([row]) == sums(inside)


def test_a_range_of_centuries_is_answered_like_any(rest: Rest, account: int) -> None:
    ever = "dateRange=(start:(year:1,month:1,day:1),end:(year:9000,month:12,day:31))"
    days = rest.analytics(account, "ACCOUNT", ever)
    for granularity in ("MONTHLY", "YEARLY", "ALL"):
        query = daily(account, "ACCOUNT", ever).replace("=DAILY", f"={granularity}")
        assert sums(rest.get("adAnalytics", query).json()["elements"]) == sums(days)


@pytest.mark.parametrize("granularity", ["HOURLY", "", "List(DAILY)"])
def test_a_granularity_that_is_none_is_refused(rest: Rest, account: int, granularity: str) -> None:
    answer = rest.get("adAnalytics", daily(account).replace("=DAILY", f"={granularity}"))
    assert code(answer) == (400, "PARAM_INVALID")


def test_reach_does_not_add_up_and_is_given_for_92_days(rest: Rest, account: int) -> None:
    def reach(days: str, granularity: str = "ALL") -> Any:
        query = daily(account, "ACCOUNT", f"dateRange=({days})", "approximateMemberReach")
        return rest.get("adAnalytics", query.replace("=DAILY", f"={granularity}"))

    most = "start:(year:2026,month:1,day:1),end:(year:2026,month:4,day:2)"
    whole = reach(most).json()["elements"][0]["approximateMemberReach"]
    assert 0 < whole < sum(row["approximateMemberReach"] for row in reach(most, "DAILY").json()["elements"])
    assert code(reach(most.replace("day:2)", "day:3)"))) == (400, "FIELD_INVALID")


def test_there_is_no_paging(rest: Rest, account: int) -> None:
    answer = rest.get("adAnalytics", daily(account)).json()
    assert answer["paging"] == {"start": 0, "count": 10, "links": []}
    assert answer.keys() == {"elements", "paging"}
    for param in ("start=0", "pageSize=10", "sortBy=(field:CLICKS)", "campaignType=TEXT_AD"):
        assert rest.get("adAnalytics", f"{daily(account)}&{param}").status_code == 400


# What changes after the fact.


def test_conversions_grow_for_27_days_and_then_stay(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    day = "dateRange=(start:(year:2026,month:3,day:1),end:(year:2026,month:3,day:10))"
    seen = []
    for later in (11, 12, 15, 20, 27, 38, 60):
        sandbox.clock.set(datetime(2026, 3, 1, 12, tzinfo=UTC))
        sandbox.clock.advance(later * 86_400)
        seen.append(sums(rest.analytics(account, "ACCOUNT", day)))
    conversions = [one["externalWebsiteConversions"] for one in seen]
    assert conversions == sorted(conversions)
    assert conversions[0] < conversions[2] < conversions[5]
    assert seen[5] == seen[6]
    assert len({one["impressions"] for one in seen}) == 1


def test_spend_is_corrected_downward_on_some_days_and_never_upward(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    spent: dict[str, Decimal] = {}
    for day in range(1, 29):
        sandbox.clock.set(datetime(2026, 3, day + 1, tzinfo=UTC))
        one_day = f"dateRange=(start:(year:2026,month:3,day:{day}),end:(year:2026,month:3,day:{day}))"
        (row,) = rest.analytics(account, "ACCOUNT", one_day)
        spent[str(row["dateRange"])] = settled(row)["costInLocalCurrency"]
    sandbox.clock.advance(3 * 86_400)
    later = {str(row["dateRange"]): settled(row)["costInLocalCurrency"] for row in rest.analytics(account, "ACCOUNT")}
    changes = [later[day] - then for day, then in spent.items()]
    assert max(changes) == 0
    assert 2 < sum(change < 0 for change in changes) < 20


def test_today_grows_during_the_day(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    today = "dateRange=(start:(year:2026,month:4,day:1),end:(year:2026,month:4,day:1))"
    seen = []
    for hour in (1, 9, 23):
        sandbox.clock.set(datetime(2026, 4, 1, hour, tzinfo=UTC))
        seen.append(sums(rest.analytics(account, "ACCOUNT", today))["impressions"])
    assert 0 < seen[0] < seen[1] < seen[2]
