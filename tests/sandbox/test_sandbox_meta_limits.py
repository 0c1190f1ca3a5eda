"""Meta's limiters: usage rises with calls, falls with time, and too much of it blocks."""

import json
from typing import Any

import httpx
import pytest

from dataflow_assets.sandbox.testing import RunningSandbox

ROWS = {"level": "ad", "time_increment": 1, "date_preset": "last_28d", "fields": "ad_id,spend,clicks,impressions"}


def header(answer: httpx.Response, name: str) -> Any:
    return json.loads(answer.headers[name])


def use_cases(answer: httpx.Response) -> dict[str, Any]:
    (entries,) = header(answer, "X-Business-Use-Case-Usage").values()
    return {entry["type"]: entry for entry in entries}


def code(answer: httpx.Response) -> int:
    found: int = answer.json()["error"]["code"]
    return found


def test_usage_headers_come_with_answers_and_with_errors(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    names = {
        "X-App-Usage",
        "X-Ad-Account-Usage",
        "X-Business-Use-Case-Usage",
        "X-FB-Ads-Insights-Throttle",
    }
    for answer in (graph.get(account), graph.get(account, fields="nope"), graph.get(f"{account}/insights")):
        assert names <= {name for name in names if name in answer.headers}
        assert len(use_cases(answer)) == 2
    assert "X-App-Usage" in graph.get("act_404").headers


def test_the_score_rises_with_calls_and_decays_with_time(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.limits("meta_ads", score_max=10)
    seen = [header(graph.get(account), "X-Ad-Account-Usage")["acc_id_util_pct"] for _ in range(3)]
    assert seen[0] < seen[1] < seen[2]
    sandbox.clock.advance(300)
    after = header(graph.get(account), "X-Ad-Account-Usage")
    assert after["acc_id_util_pct"] <= seen[0] + 1
    assert 0 < after["reset_time_duration"] <= 300


def test_too_many_calls_block_the_account_alone_and_calls_during_the_block_extend_it(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    other = sandbox.truth("meta_ads", "ad_accounts")[1]["id"]
    sandbox.limits("meta_ads", score_max=20, score_decay_seconds=100, block_seconds=60)
    codes = [graph.get(account).status_code for _ in range(22)]
    assert codes[:20] == [200] * 20
    assert codes[-1] == 400
    assert code(graph.get(account)) == 17
    assert graph.get(other).status_code == 200
    sandbox.clock.advance(50)
    assert code(graph.get(account)) == 17
    sandbox.clock.advance(50)
    assert code(graph.get(account)) == 17
    sandbox.clock.advance(61)
    assert graph.get(account).status_code == 200
    assert sandbox.requests()["throttled"] >= 4


def test_insights_and_management_have_budgets_of_their_own_with_minutes_to_wait(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    sandbox.limits("meta_ads", insights_calls_per_hour=5, block_seconds=600)
    answers = [graph.get(f"{account}/insights") for _ in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [200] * 5
    assert [use_cases(answer)["ads_insights"]["call_count"] for answer in answers[:3]] == [20, 40, 60]
    assert code(answers[6]) == 80000
    minutes = use_cases(answers[6])["ads_insights"]["estimated_time_to_regain_access"]
    assert use_cases(answers[4])["ads_insights"]["estimated_time_to_regain_access"] == 0
    assert header(answers[6], "X-FB-Ads-Insights-Throttle")["acc_id_util_pct"] > 100
    assert graph.get(f"{account}/campaigns").status_code == 200
    sandbox.clock.advance(minutes * 60)
    assert minutes >= 10
    assert graph.get(f"{account}/insights").status_code == 200
    sandbox.limits("meta_ads", management_calls_per_hour=1)
    assert code([graph.get(f"{account}/campaigns") for _ in range(3)][-1]) == 80004


def test_polling_a_report_counts_as_insights(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.limits("meta_ads", insights_calls_per_hour=100)
    run = graph.post(f"{account}/insights").json()["report_run_id"]
    graph.get(run)
    assert use_cases(graph.get(run))["ads_insights"]["call_count"] == 3
    assert use_cases(graph.get(run))["ads_management"]["call_count"] == 0


def test_rows_served_show_as_time_used(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.limits("meta_ads", insights_rows_per_hour=1000)
    served = len(graph.get(f"{account}/insights", limit=300, **ROWS).json()["data"])
    usage = use_cases(graph.get(account))["ads_insights"]
    # A little has leaked away since, for time passes.
    assert usage["total_time"] == usage["total_cputime"]
    assert served // 10 - 2 <= usage["total_time"] <= served // 10


def test_the_app_has_a_limit_across_accounts(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.limits("meta_ads", app_calls_per_hour=3)
    answers = [graph.get("me/adaccounts") for _ in range(5)]
    assert header(answers[0], "X-App-Usage")["call_count"] == 34
    assert (answers[-1].status_code, code(answers[-1])) == (403, 4)


def test_items_of_a_batch_are_charged_one_by_one(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.limits("meta_ads", management_calls_per_hour=100)
    items = json.dumps([{"method": "GET", "relative_url": account}] * 10)
    answer = graph.post("", batch=items)
    assert use_cases(answer)["ads_management"]["call_count"] == 10


@pytest.mark.parametrize("limiter", ["reduce_page_cells", "reduce_query_cells"])
def test_too_much_data_is_refused_until_less_is_asked_for(
    sandbox: RunningSandbox, graph: Any, account: str, limiter: str
) -> None:
    assert graph.get(f"{account}/insights", limit=500, **ROWS).status_code == 200
    sandbox.limits("meta_ads", **{limiter: 400})
    refused = graph.get(f"{account}/insights", limit=500, **ROWS)
    assert (refused.status_code, code(refused)) == (500, 1)
    smaller_page = graph.get(f"{account}/insights", limit=100, **ROWS)
    assert smaller_page.status_code == (200 if limiter == "reduce_page_cells" else 500)
    fewer_days = graph.get(f"{account}/insights", limit=500, **{**ROWS, "date_preset": "yesterday"})
    assert fewer_days.status_code == 200


def test_a_report_is_not_refused_for_its_size(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.limits("meta_ads", reduce_query_cells=1, reduce_page_cells=1)
    run = graph.post(f"{account}/insights", **ROWS).json()["report_run_id"]
    graph.get(run)
    graph.get(run)
    assert len(graph.rows(f"{run}/insights", limit=500)) > 100


@pytest.mark.parametrize("change", [{"score_maximum": 1}, {"score_max": 0}, {"block_seconds": "long"}])
def test_a_threshold_that_makes_no_sense_is_refused(sandbox: RunningSandbox, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        sandbox.limits("meta_ads", **change)
