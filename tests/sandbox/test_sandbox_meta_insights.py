"""Meta's insights by bare HTTP: ranges, metrics, levels, conditions, and asynchronous reports."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from meta_client import ALL_STATUSES, code

from dataflow_assets.sandbox.testing import RunningSandbox

ALL_ADS = '[{"field":"ad.effective_status","operator":"IN","value":' + ALL_STATUSES + "}]"
DAY = "2026-03-10"
ONE_DAY = json.dumps({"since": DAY, "until": DAY})


# Insights.


def test_both_ends_of_a_range_are_included(graph: Any, account: str) -> None:
    days = json.dumps({"since": "2026-03-09", "until": "2026-03-11"})
    rows = graph.rows(f"{account}/insights", time_range=days, time_increment=1, fields="spend")
    assert [(row["date_start"], row["date_stop"]) for row in rows] == [
        (day, day) for day in ("2026-03-09", "2026-03-10", "2026-03-11")
    ]


def test_every_metric_is_text(graph: Any, account: str) -> None:
    fields = "impressions,clicks,inline_link_clicks,spend,reach,frequency,ctr,cpc,cpm,account_id"
    (row,) = graph.rows(f"{account}/insights", time_range=ONE_DAY, fields=fields)
    assert row.keys() == {*fields.split(","), "date_start", "date_stop"}
    assert all(isinstance(value, str) for value in row.values())
    assert float(row["ctr"]) == pytest.approx(100 * int(row["clicks"]) / int(row["impressions"]), rel=1e-4)
    assert float(row["frequency"]) >= 1


@pytest.mark.parametrize(
    ("increment", "expected"),
    [
        ("all_days", [("2026-01-30", "2026-03-02")]),
        ("10", [("2026-01-30", "2026-02-08"), ("2026-02-09", "2026-02-18"), ("2026-02-19", "2026-02-28")]),
        ("monthly", [("2026-01-30", "2026-01-31"), ("2026-02-01", "2026-02-28"), ("2026-03-01", "2026-03-02")]),
    ],
)
def test_an_increment_cuts_the_range(graph: Any, account: str, increment: str, expected: list[tuple[str, str]]) -> None:
    days = json.dumps({"since": "2026-01-30", "until": "2026-03-02"})
    rows = graph.rows(f"{account}/insights", time_range=days, time_increment=increment, fields="impressions")
    assert [(row["date_start"], row["date_stop"]) for row in rows][: len(expected)] == expected
    daily = graph.rows(f"{account}/insights", time_range=days, time_increment=1, fields="impressions", limit=100)
    assert sum(int(row["impressions"]) for row in rows) == sum(int(row["impressions"]) for row in daily)


def test_without_dates_the_last_thirty_days_are_meant_in_one_row(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    (row,) = graph.rows(f"{account}/insights")
    today = sandbox.clock.now().date()
    expected = (str(today - timedelta(days=30)), str(today - timedelta(days=1)))
    assert (row["date_start"], row["date_stop"]) == expected
    assert row.keys() == {"account_id", "impressions", "spend", "date_start", "date_stop"}


@pytest.mark.parametrize(
    ("preset", "first", "last"),
    [("today", 0, 0), ("yesterday", 1, 1), ("last_7d", 7, 1), ("last_28d", 28, 1), ("last_90d", 90, 1)],
)
@pytest.mark.parametrize(("hour", "others"), [(4, {"America/Los_Angeles": 19}), (14, {"Pacific/Auckland": 21})])
def test_a_preset_counts_from_the_accounts_own_today(
    sandbox: RunningSandbox, graph: Any, *, preset: str, first: int, last: int, hour: int, others: dict[str, int]
) -> None:
    sandbox.clock.set(datetime(2026, 4, 20, hour, tzinfo=UTC))
    for one in sandbox.truth("meta_ads", "ad_accounts"):
        today = date(2026, 4, others.get(one["timezone_name"], 20))
        (row,) = graph.rows(f"{one['id']}/insights", date_preset=preset)
        assert row["date_start"] == str(today - timedelta(days=first))
        assert row["date_stop"] == str(today - timedelta(days=last))


def test_maximum_is_all_there_ever_was(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    (row,) = graph.rows(f"{account}/insights", date_preset="maximum", fields="impressions")
    truth = sandbox.truth("meta_ads", "insights_campaign", account=account)
    assert int(row["impressions"]) == sum(int(one["impressions"]) for one in truth)


def test_the_future_holds_no_rows(graph: Any, account: str) -> None:
    days = json.dumps({"since": "2026-05-02", "until": "2026-05-20"})
    assert graph.rows(f"{account}/insights", time_range=days, time_increment=1) == []


def test_a_range_may_begin_37_months_ago_and_not_a_day_earlier(graph: Any, account: str) -> None:
    # Today is 1 May 2026 in Berlin.
    oldest = json.dumps({"since": "2023-04-01", "until": "2023-04-02"})
    assert graph.get(f"{account}/insights", time_range=oldest).status_code == 200
    older = json.dumps({"since": "2023-03-31", "until": "2023-04-02"})
    assert code(graph.get(f"{account}/insights", time_range=older)) == (3018, None)


@pytest.mark.parametrize(
    "params",
    [
        {"time_range": '{"since":"2026-03-02","until":"2026-03-01"}'},
        {"time_range": '{"since":"2026-03-02"}'},
        {"time_range": '{"since":"02.03.2026","until":"2026-03-01"}'},
        {"date_preset": "last_year_or_so"},
        {"time_increment": "91"},
        {"time_increment": "0"},
        {"level": "creative"},
        {"action_attribution_windows": '["3d_click"]'},
        {"action_breakdowns": '["action_device"]'},
        {"breakdowns": '["age"]'},
        {"filtering": '[{"field":"creative.id","operator":"IN","value":["1"]}]'},
        {"filtering": '[{"field":"spend","operator":"GREATER_THAN","value":{}}]'},
        {"filtering": '[{"field":"spend","operator":"IN","value":[null]}]'},
        {"time_range": '{"since":1,"until":2}'},
        {"fields": "spend{value}"},
        {"fields": "[1]"},
    ],
)
def test_a_wrong_question_is_code_100(graph: Any, account: str, params: dict[str, str]) -> None:
    assert code(graph.get(f"{account}/insights", **params)) == (100, None)


def test_a_campaign_cannot_answer_for_its_account(graph: Any, account: str) -> None:
    campaign = graph.rows(f"{account}/campaigns")[0]["id"]
    assert code(graph.get(f"{campaign}/insights", level="account")) == (100, None)
    below = graph.rows(f"{campaign}/insights", level="ad", fields="campaign_id,ad_id")
    assert {row["campaign_id"] for row in below} == {campaign}
    assert len(below) > 1


def test_the_levels_tie_except_for_deleted_ads_which_have_to_be_named(graph: Any, account: str) -> None:
    def clicks(level: str, **params: str) -> int:
        rows = graph.rows(
            f"{account}/insights", level=level, date_preset="maximum", fields="clicks", limit=500, **params
        )
        return sum(int(row["clicks"]) for row in rows)

    whole = clicks("account")
    assert clicks("campaign") == whole
    assert clicks("adset") == whole
    assert clicks("ad") < whole
    assert clicks("ad", filtering=ALL_ADS) == whole


def test_spend_is_in_major_units_and_yen_have_no_decimals(sandbox: RunningSandbox, graph: Any) -> None:
    written: dict[str, set[int]] = {}
    for one in sandbox.truth("meta_ads", "ad_accounts"):
        rows = graph.rows(f"{one['id']}/insights", time_increment=1, date_preset="last_90d", fields="spend", limit=90)
        written[one["currency"]] = {len(str(row["spend"]).partition(".")[2]) for row in rows}
    # Trailing zeros are dropped at times, so all lengths occur.
    assert written["JPY"] == {0}
    assert {1, 2} <= written["EUR"] <= {0, 1, 2}


def test_results_come_with_the_windows_asked_for_and_under_several_names(graph: Any, account: str) -> None:
    def actions(**params: str) -> dict[str, dict[str, str]]:
        (row,) = graph.rows(f"{account}/insights", fields="actions", date_preset="last_28d", **params)
        return {one["action_type"]: one for one in row["actions"]}

    plain = actions()
    assert {"purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase", "link_click", "lead"} == plain.keys()
    assert all(one.keys() == {"action_type", "value"} for one in plain.values())
    windows = actions(action_attribution_windows='["7d_click","1d_view","7d_view","28d_click"]')
    purchase = windows["purchase"]
    assert purchase.keys() == {"action_type", "value", "7d_click", "1d_view", "28d_click"}
    assert int(purchase["value"]) == int(purchase["7d_click"]) + int(purchase["1d_view"])
    assert {**windows["omni_purchase"], "action_type": "purchase"} == purchase
    assert "1d_view" not in windows["link_click"]


def test_conditions_on_insights_choose_ads_and_rows(graph: Any, account: str) -> None:
    campaigns = graph.rows(f"{account}/insights", level="campaign", fields="campaign_id,spend", date_preset="last_28d")
    first = campaigns[0]["campaign_id"]
    by_id = json.dumps([{"field": "campaign.id", "operator": "IN", "value": [first]}])
    one = graph.rows(f"{account}/insights", level="campaign", fields="campaign_id", filtering=by_id)
    assert [row["campaign_id"] for row in one] == [first]
    middle = sorted(float(row["spend"]) for row in campaigns)[len(campaigns) // 2]
    by_spend = json.dumps([{"field": "spend", "operator": "GREATER_THAN", "value": middle}])
    dear = graph.rows(
        f"{account}/insights", level="campaign", fields="spend", filtering=by_spend, date_preset="last_28d"
    )
    assert {row["spend"] for row in dear} == {row["spend"] for row in campaigns if float(row["spend"]) > middle}


def test_insights_pages_neither_skip_nor_repeat_while_time_moves(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    params = {"level": "ad", "time_increment": 1, "date_preset": "last_28d", "fields": "ad_id", "filtering": ALL_ADS}
    days = {"time_range": json.dumps({"since": "2026-04-01", "until": "2026-05-01"})}
    whole = graph.rows(f"{account}/insights", limit=5000, **params | days)
    keys = []
    answer = graph.get(f"{account}/insights", limit=50, **params | days).json()
    while "next" in answer["paging"]:
        keys += answer["data"]
        sandbox.clock.advance(60)
        answer = graph.get(answer["paging"]["next"]).json()
    assert keys + answer["data"] == whole
    assert len(whole) > 100


# Asynchronous reports.


def start(graph: Any, account: str, **params: object) -> str:
    answer = graph.post(f"{account}/insights", level="campaign", time_increment=1, **params)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["report_run_id"])


def test_a_report_goes_through_all_states_and_lags_as_meta_does(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    sandbox.limits("meta_ads", async_polls=7)
    run = start(graph, account)
    polls = [graph.get(run).json() for _ in range(8)]
    assert [(one["async_status"], one["async_percent_completion"]) for one in polls] == [
        ("Job Not Started", 0),
        ("Job Started", 0),
        ("Job Running", 42),
        ("Job Running", 57),
        ("Job Running", 100),
        ("Job Completed", 95),
        ("Job Completed", 100),
        ("Job Completed", 100),
    ]
    assert [one["is_running"] for one in polls] == [True] * 6 + [False] * 2
    assert polls[-1]["account_id"] == account.removeprefix("act_")
    assert polls[-1]["time_completed"] == int(sandbox.clock.now().timestamp())


def test_a_report_cannot_be_read_before_it_is_complete(graph: Any, account: str) -> None:
    run = start(graph, account)
    assert code(graph.get(f"{run}/insights")) == (2637, None)
    graph.get(run)
    graph.get(run)
    assert graph.get(f"{run}/insights").status_code == 200


def test_a_report_tells_what_was_known_when_it_was_asked_for(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    days = {"time_range": json.dumps({"since": "2026-04-20", "until": "2026-05-01"}), "fields": '["spend","actions"]'}
    then = graph.rows(f"{account}/insights", level="campaign", time_increment=1, limit=500, **days)
    run = start(graph, account, **days)
    graph.get(run)
    graph.get(run)
    sandbox.clock.advance(5 * 86_400)
    now = graph.rows(f"{account}/insights", level="campaign", time_increment=1, limit=500, **days)
    assert graph.rows(f"{run}/insights", limit=10) == then
    assert now != then


def test_a_report_is_gone_after_30_days(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    run = start(graph, account)
    sandbox.clock.advance(30 * 86_400 - 1)
    assert graph.get(run, fields="async_status").json().keys() == {"id", "async_status"}
    sandbox.clock.advance(1)
    assert code(graph.get(run)) == (100, 33)


def test_a_wrong_question_creates_no_report(graph: Any, account: str) -> None:
    assert code(graph.post(f"{account}/insights", fields='["nope"]')) == (100, None)
