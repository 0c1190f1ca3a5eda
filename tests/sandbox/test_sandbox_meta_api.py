"""Meta's API by bare HTTP: what a client that is not the SDK has to get right."""

import hashlib
import hmac
import json
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from dataflow_assets.sandbox.testing import APP_SECRET, TOKEN, RunningSandbox

ALL_STATUSES = '["ACTIVE","PAUSED","ARCHIVED","DELETED","CAMPAIGN_PAUSED","ADSET_PAUSED"]'
ALL_ADS = '[{"field":"ad.effective_status","operator":"IN","value":' + ALL_STATUSES + "}]"


def error(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code >= 400, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


def code(answer: httpx.Response) -> tuple[int, int | None]:
    found = error(answer)
    return found["code"], found.get("error_subcode")


# Versions, paths, tokens.


@pytest.mark.parametrize("version", ["v25.0", "v26.0", "v31.0"])
def test_any_version_that_is_not_switched_off_works(sandbox: RunningSandbox, version: str) -> None:
    answer = httpx.get(f"{sandbox.meta_url}/{version}/me/adaccounts/", params={"access_token": TOKEN})
    assert answer.status_code == 200
    assert answer.json()["data"][0].keys() == {"id", "account_id"}


@pytest.mark.parametrize("version", ["v24.0", "v3.2"])
def test_a_version_that_is_switched_off_says_so(sandbox: RunningSandbox, version: str) -> None:
    answer = httpx.get(f"{sandbox.meta_url}/{version}/me/adaccounts", params={"access_token": TOKEN})
    assert code(answer) == (2635, None)


def test_an_address_without_a_version_or_with_too_many_parts_is_unknown(sandbox: RunningSandbox, graph: Any) -> None:
    assert code(httpx.get(f"{sandbox.meta_url}/me/adaccounts", params={"access_token": TOKEN})) == (2500, None)
    assert code(graph.get("me/adaccounts/more")) == (2500, None)
    assert code(graph.get("me/friends")) == (2500, None)


def test_the_token_may_stand_in_query_form_or_header(sandbox: RunningSandbox, account: str) -> None:
    url = f"{sandbox.meta_url}/v26.0"
    assert httpx.get(f"{url}/me", params={"access_token": TOKEN}).status_code == 200
    assert httpx.get(f"{url}/me", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert httpx.post(f"{url}/{account}/insights", data={"access_token": TOKEN}).status_code == 200


@pytest.mark.parametrize("params", [{}, {"access_token": ""}, {"access_token": "sandbox-toke"}])
def test_another_token_or_none_is_refused(sandbox: RunningSandbox, params: dict[str, str]) -> None:
    assert code(httpx.get(f"{sandbox.meta_url}/v26.0/me/adaccounts", params=params)) == (190, None)


def test_a_proof_is_checked_when_there_is_one(graph: Any) -> None:
    proof = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
    assert graph.get("me", appsecret_proof=proof).status_code == 200
    assert code(graph.get("me", appsecret_proof=proof[:-1] + "x")) == (100, None)


def test_every_answer_carries_world_time(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.clock.set(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    answers = [
        graph.get("me"),
        graph.get("act_404"),
        graph.post(f"{account}/insights"),
        httpx.get(f"{sandbox.control_url}/health"),
        httpx.get(f"{sandbox.url}/nowhere"),
    ]
    assert {answer.headers["date"] for answer in answers} == {"Wed, 04 Mar 2026 05:06:07 GMT"}
    assert parsedate_to_datetime(answers[0].headers["date"]) == sandbox.clock.now()


def test_the_sandbox_is_read_only(graph: Any, account: str) -> None:
    assert code(graph.post(f"{account}/campaigns", name="New")) == (3, None)


# Nodes, fields, pages.


def test_an_object_that_does_not_exist_is_100_33(graph: Any) -> None:
    assert code(graph.get("act_404")) == (100, 33)
    assert code(graph.get("120210000000990000")) == (100, 33)


def test_an_object_is_not_there_before_it_is_created(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    newest = max(sandbox.truth("meta_ads", "campaigns", account=account), key=lambda row: row["created_time"])
    created = datetime.strptime(newest["created_time"], "%Y-%m-%dT%H:%M:%S%z")
    sandbox.clock.set(created - timedelta(seconds=1))
    assert code(graph.get(newest["id"])) == (100, 33)
    sandbox.clock.set(created)
    assert graph.get(newest["id"], fields="created_time").json()["created_time"] == newest["created_time"]


def test_only_the_fields_asked_for_and_the_id_come_back_and_empty_ones_are_left_out(graph: Any, account: str) -> None:
    rows = graph.rows(f"{account}/campaigns", fields="name,daily_budget,issues_info")
    assert {frozenset(row) for row in rows} == {
        frozenset({"id", "name", "daily_budget"}),
        frozenset({"id", "name"}),
    }
    assert all(isinstance(row["id"], str) for row in rows)


def test_references_expand_into_the_fields_asked_for(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    row = graph.get(f"{account}/ads", fields="name,creative{id,title},adset{id,campaign{name}}", limit=1).json()
    ad = row["data"][0]
    creative = sandbox.truth("meta_ads", "creatives", account=account)[0]
    assert ad["creative"] == {"id": creative["id"], "title": creative["title"]}
    assert ad["adset"]["campaign"]["name"] == sandbox.truth("meta_ads", "campaigns", account=account)[0]["name"]
    assert graph.get(f"{account}/ads", fields="creative", limit=1).json()["data"][0]["creative"] == {
        "id": creative["id"]
    }


@pytest.mark.parametrize(
    ("path", "fields", "expected", "says"),
    [
        ("", "id,nope", 100, "nonexisting field (nope) on node type (AdAccount)"),
        ("/ads", "creative{nope}", 100, "nonexisting field (nope) on node type (AdCreative)"),
        ("/insights", "spend,nope", 100, "nope is not valid for fields param"),
        ("/ads", "creative{id", 2500, "Syntax error"),
        ("/ads", "id,,name", 2500, "Syntax error"),
    ],
)
def test_fields_that_do_not_exist_are_named(
    graph: Any, account: str, *, path: str, fields: str, expected: int, says: str
) -> None:
    answer = graph.get(account + path, fields=fields)
    assert code(answer) == (expected, None)
    assert says in error(answer)["message"]


def test_fields_are_read_as_text_and_as_an_array(graph: Any, account: str) -> None:
    as_text = graph.get(account, fields="currency,name").json()
    assert graph.get(account, fields='["currency","name"]').json() == as_text


def test_a_page_holds_25_unless_told_and_the_last_one_has_cursors_but_no_next(graph: Any, account: str) -> None:
    first = graph.get(f"{account}/adcreatives").json()
    assert len(first["data"]) == 25
    assert TOKEN in first["paging"]["next"]
    last = graph.get(first["paging"]["next"]).json()
    assert 0 < len(last["data"]) < 25
    assert last["paging"].keys() == {"cursors"}
    assert last["paging"]["cursors"].keys() == {"before", "after"}


def test_the_next_address_never_repeats_the_proof(graph: Any, account: str) -> None:
    proof = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()
    page = graph.get(f"{account}/ads", limit=1, appsecret_proof=proof).json()
    assert proof not in page["paging"]["next"]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "²"])
def test_a_limit_that_is_no_size_is_refused(graph: Any, account: str, limit: str) -> None:
    assert code(graph.get(f"{account}/ads", limit=limit)) == (100, None)


def test_a_limit_over_5000_is_too_much_data(graph: Any, account: str) -> None:
    assert graph.get(f"{account}/ads", limit=5000).status_code == 200
    answer = graph.get(f"{account}/ads", limit=5001)
    assert answer.status_code == 500
    assert error(answer).keys() == {"message", "code"}
    assert "reduce the amount of data" in error(answer)["message"]


def test_a_cursor_works_only_untouched_and_where_it_came_from(graph: Any, account: str) -> None:
    after = graph.get(f"{account}/ads", limit=1).json()["paging"]["cursors"]["after"]
    assert graph.get(f"{account}/ads", after=after).status_code == 200
    for other in (after[:-2] + "AA", "é", "AAAA", after + "AAAA"):
        assert code(graph.get(f"{account}/ads", after=other)) == (100, None)
    assert code(graph.get(f"{account}/campaigns", after=after)) == (100, None)


def test_a_page_may_shrink_on_the_way(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    first = graph.get(f"{account}/ads", limit=5).json()
    rest = graph.rows(f"{account}/ads", limit=2, after=first["paging"]["cursors"]["after"])
    assert first["data"] + rest == graph.rows(f"{account}/ads", limit=500)


# What is listed.


def test_a_listing_hides_archived_things_until_they_are_named_and_deleted_ones_always(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    truth = {row["id"]: row["effective_status"] for row in sandbox.truth("meta_ads", "campaigns", account=account)}
    assert set(truth.values()) == {"ACTIVE", "PAUSED", "ARCHIVED"}
    living = {name for name, status in truth.items() if status != "ARCHIVED"}
    assert {row["id"] for row in graph.rows(f"{account}/campaigns")} == living
    named = graph.rows(f"{account}/campaigns", effective_status=ALL_STATUSES)
    assert {row["id"] for row in named} == set(truth)
    filtering = '[{"field":"effective_status","operator":"IN","value":["ARCHIVED","DELETED"]}]'
    assert {row["id"] for row in graph.rows(f"{account}/campaigns", filtering=filtering)} == set(truth) - living


def test_a_deleted_thing_vanishes_from_listings_and_can_still_be_read_by_its_id(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    now = sandbox.clock.now()
    sandbox.clock.set(now - timedelta(days=60))
    before = {row["id"] for row in sandbox.truth("meta_ads", "campaigns", account=account)}
    sandbox.clock.set(now)
    listed = {row["id"] for row in graph.rows(f"{account}/campaigns", effective_status=ALL_STATUSES)}
    (gone,) = before - listed
    assert graph.get(gone, fields="effective_status").json() == {"id": gone, "effective_status": "DELETED"}
    children = graph.rows(f"{gone}/ads", effective_status=ALL_STATUSES)
    assert children == []


def test_children_say_when_their_campaign_is_paused(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    campaigns = graph.rows(f"{account}/campaigns", fields="effective_status")
    (paused,) = [row["id"] for row in campaigns if row["effective_status"] == "PAUSED"]
    statuses = {row["effective_status"] for row in graph.rows(f"{paused}/adsets", fields="effective_status")}
    assert "CAMPAIGN_PAUSED" in statuses
    assert statuses <= {"CAMPAIGN_PAUSED", "PAUSED"}


def unix(text: object) -> int:
    return int(datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%S%z").timestamp())


@pytest.mark.parametrize(("edge", "prefix"), [("campaigns", "campaign"), ("adsets", "adset"), ("ads", "ad")])
def test_updated_time_filters_on_both_sides(graph: Any, account: str, edge: str, prefix: str) -> None:
    def ask(*conditions: tuple[str, int]) -> set[object]:
        filtering = [
            {"field": f"{prefix}.updated_time", "operator": operator, "value": value} for operator, value in conditions
        ]
        return {row["id"] for row in graph.rows(f"{account}/{edge}", filtering=json.dumps(filtering))}

    times = {row["id"]: unix(row["updated_time"]) for row in graph.rows(f"{account}/{edge}", fields="updated_time")}
    middle = sorted(times.values())[len(times) // 2]
    later = {name for name, moment in times.items() if moment > middle}
    assert ask(("GREATER_THAN", middle)) == later
    assert ask(("GREATER_THAN", middle - 1), ("LESS_THAN", middle + 1)) == {
        name for name, moment in times.items() if moment == middle
    }
    assert 0 < len(later) < len(times)


def test_an_edit_of_a_campaign_moves_its_updated_time_and_not_that_of_its_children(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    campaign = graph.rows(f"{account}/campaigns", fields="updated_time,name")[1]
    edited = datetime.fromtimestamp(unix(campaign["updated_time"]), UTC)
    sandbox.clock.set(edited - timedelta(seconds=1))
    children = graph.rows(f"{campaign['id']}/adsets", fields="updated_time")
    before = graph.get(str(campaign["id"]), fields="updated_time,name").json()
    assert before["name"] != campaign["name"]
    assert unix(before["updated_time"]) < unix(campaign["updated_time"])
    sandbox.clock.set(edited)
    assert graph.get(str(campaign["id"]), fields="updated_time,name").json() == campaign
    assert graph.rows(f"{campaign['id']}/adsets", fields="updated_time") == children


def test_ids_and_parents_filter(graph: Any, account: str) -> None:
    campaign = graph.rows(f"{account}/campaigns")[1]["id"]
    ads = graph.rows(f"{account}/ads", fields="campaign_id")
    mine = [row["id"] for row in ads if row["campaign_id"] == campaign]
    by_parent = json.dumps([{"field": "campaign.id", "operator": "IN", "value": [campaign]}])
    assert [row["id"] for row in graph.rows(f"{account}/ads", filtering=by_parent)] == mine
    by_id = json.dumps([{"field": "id", "operator": "IN", "value": mine[:2]}])
    assert [row["id"] for row in graph.rows(f"{account}/ads", filtering=by_id)] == mine[:2]
    assert [row["id"] for row in graph.rows(f"{campaign}/ads")] == mine


def test_updated_since_filters_ad_sets(graph: Any, account: str) -> None:
    rows = graph.rows(f"{account}/adsets", fields="updated_time")
    since = sorted(unix(row["updated_time"]) for row in rows)[len(rows) // 2]
    found = {row["id"] for row in graph.rows(f"{account}/adsets", updated_since=since)}
    assert found == {row["id"] for row in rows if unix(row["updated_time"]) >= since}


@pytest.mark.parametrize(
    "params",
    [
        {"filtering": '[{"field":"campaign.delivery_info","operator":"IN","value":["deleted"]}]'},
        {"filtering": '[{"field":"ad.updated_time","operator":"GREATER_THAN","value":1}]'},
        {"filtering": '[{"field":"name","operator":"LIKE","value":"x"}]'},
        {"filtering": '[{"field":"id","operator":"IN","value":"x"}]'},
        {"filtering": '{"field":"id"}'},
        {"filtering": "[{"},
        {"date_preset": "today"},
        {"before": "x"},
    ],
)
def test_what_is_not_reproduced_is_refused_and_not_ignored(graph: Any, account: str, params: dict[str, str]) -> None:
    assert code(graph.get(f"{account}/campaigns", **params)) == (100, None)


# Insights.

DAY = "2026-03-10"
ONE_DAY = json.dumps({"since": DAY, "until": DAY})


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


# Batches.


def batch(graph: Any, *items: dict[str, Any], **params: str) -> httpx.Response:
    answer: httpx.Response = graph.post("", batch=json.dumps(items), **params)
    return answer


def get(url: str) -> dict[str, Any]:
    return {"method": "GET", "relative_url": url}


def test_a_batch_answers_in_order_with_errors_inside(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    answer = batch(graph, get(f"{account}?fields=currency"), get("act_404"), get(f"v25.0/{account}/campaigns?limit=1"))
    assert answer.status_code == 200
    items = answer.json()
    assert [item["code"] for item in items] == [200, 400, 200]
    assert json.loads(items[0]["body"])["currency"] == "EUR"
    assert json.loads(items[1]["body"])["error"]["error_subcode"] == 33
    following = json.loads(items[2]["body"])["paging"]["next"]
    assert graph.get(following).status_code == 200
    names = {header["name"] for header in items[0]["headers"]}
    assert {"Content-Type", "X-Business-Use-Case-Usage"} <= names
    assert "headers" not in batch(graph, get(account), include_headers="false").json()[0]


def test_a_batch_can_create_reports(graph: Any, account: str) -> None:
    item = {"method": "POST", "relative_url": f"{account}/insights", "body": "level=campaign"}
    (answer,) = batch(graph, item).json()
    assert graph.get(json.loads(answer["body"])["report_run_id"]).json()["async_status"] == "Job Started"


def test_each_item_of_a_batch_is_counted_as_a_call(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    batch(graph, get(account), get(account), get(f"{account}/campaigns"))
    counts = sandbox.requests()
    assert counts["total"] == 1
    assert counts["by_endpoint"]["meta_ads"] == {"batch": 1, "batch_item": 3, "node": 2, "campaigns": 1}
    assert counts["by_account"]["meta_ads"] == {account.removeprefix("act_"): 3}


def test_a_batch_of_51_is_refused(graph: Any, account: str) -> None:
    assert len(batch(graph, *[get(account)] * 50).json()) == 50
    refused = batch(graph, *[get(account)] * 51)
    assert error(refused)["type"] == "GraphBatchException"
    assert "Maximum batch size is 50" in error(refused)["message"]


@pytest.mark.parametrize(
    "items",
    [
        "x",
        "{}",
        "[1]",
        '[{"method":"GET"}]',
        '[{"method":"DELETE","relative_url":"me"}]',
        '[{"method":"POST","relative_url":"me","body":{}}]',
        '[{"method":"GET","relative_url":"me","depends_on":"first"}]',
    ],
)
def test_a_batch_that_is_none_is_refused(graph: Any, items: str) -> None:
    assert graph.post("", batch=items).status_code == 400
