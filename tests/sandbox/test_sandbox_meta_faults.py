"""Every fault: what a client sees of it, and that it strikes only where and as often as it should."""

import json
from typing import Any

import httpx
import pytest

from dataflow_assets.sandbox.meta_ads.api import FAULTS
from dataflow_assets.sandbox.testing import RunningSandbox

DAILY = {"level": "campaign", "time_increment": 1, "date_preset": "last_28d", "fields": "campaign_id,spend"}

REFUSED = {
    "throttle_4_1504022": (403, 4, 1504022, True),
    "throttle_17_2446079": (400, 17, 2446079, True),
    "throttle_613_1487742": (400, 613, 1487742, True),
    "throttle_80000": (400, 80000, 2446079, None),
    "throttle_80004": (400, 80004, 2446079, None),
    "reduce_500": (500, 1, None, None),
    "transient_2": (500, 2, None, True),
    "expired_token": (401, 190, 463, False),
    "revoked_token": (401, 190, 460, False),
    "revoked_account": (403, 200, None, None),
}
SHOWN_ELSEWHERE = {
    "html_502",
    "slow",
    "cut_connection",
    "malformed_page",
    "empty_page_with_next",
    "duplicate_rows",
    "unknown_field",
    "bad_row",
    "type_changed",
    "batch_null_items",
    "async_fail",
    "async_too_large",
    "async_skip",
    "async_stuck_at_100",
    "async_not_ready",
}


def test_no_fault_is_without_a_test() -> None:
    assert REFUSED.keys() | SHOWN_ELSEWHERE == FAULTS


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_has_its_code_and_status_and_strikes_once_when_told_so(
    sandbox: RunningSandbox, graph: Any, account: str, fault: str
) -> None:
    sandbox.fault(fault, vendor="meta_ads", account=account, endpoint="campaigns", times=1)
    answer = graph.get(f"{account}/campaigns")
    error = answer.json()["error"]
    seen = (answer.status_code, error["code"], error.get("error_subcode"), error.get("is_transient"))
    assert seen == REFUSED[fault]
    assert graph.get(f"{account}/campaigns").status_code == 200
    assert [rule["fired"] for rule in sandbox.faults()] == [1]


@pytest.mark.parametrize("fault", ["throttle_4_1504022", "throttle_17_2446079", "throttle_80000"])
@pytest.mark.parametrize("status", [400, 403])
def test_the_status_of_a_throttle_can_be_chosen(
    sandbox: RunningSandbox, graph: Any, account: str, fault: str, status: int
) -> None:
    sandbox.fault(fault, status=status)
    assert graph.get(f"{account}/campaigns").status_code == status
    assert sandbox.requests()["throttled"] == 1


@pytest.mark.parametrize(
    ("fault", "header", "says"),
    [
        ("throttle_4_1504022", "X-App-Usage", '"call_count": 100'),
        ("throttle_17_2446079", "X-Ad-Account-Usage", '"reset_time_duration": 420'),
        ("throttle_613_1487742", "X-Ad-Account-Usage", '"acc_id_util_pct": 100'),
    ],
)
def test_a_throttle_shows_in_the_usage_headers(
    sandbox: RunningSandbox, graph: Any, account: str, *, fault: str, header: str, says: str
) -> None:
    sandbox.fault(fault, seconds=420)
    assert says in graph.get(f"{account}/campaigns").headers[header]


@pytest.mark.parametrize(
    ("fault", "use_case"), [("throttle_80000", "ads_insights"), ("throttle_80004", "ads_management")]
)
def test_a_use_case_throttle_tells_its_minutes_in_the_second_entry(
    sandbox: RunningSandbox, graph: Any, account: str, fault: str, use_case: str
) -> None:
    sandbox.fault(fault, seconds=420)
    usage = json.loads(graph.get(f"{account}/campaigns").headers["X-Business-Use-Case-Usage"])
    first, second = usage[account.removeprefix("act_")]
    assert first["estimated_time_to_regain_access"] == 0
    assert (second["type"], second["call_count"], second["estimated_time_to_regain_access"]) == (use_case, 100, 7)


def test_a_revoked_account_can_speak_code_10(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("revoked_account", code=10)
    assert graph.get(f"{account}/ads").json()["error"]["code"] == 10


def test_a_bad_gateway_is_html(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("html_502")
    answer = graph.get(f"{account}/campaigns")
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


def test_a_slow_answer_outlasts_an_impatient_client_and_not_a_patient_one(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    sandbox.fault("slow", seconds=0.4, times=2)
    url = f"{sandbox.meta_url}/v26.0/{account}"
    params = {"access_token": "sandbox-token"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(url, params=params, timeout=0.05)
    assert httpx.get(url, params=params, timeout=30).status_code == 200


def test_a_cut_connection_ends_in_the_middle_of_the_body(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("cut_connection", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        graph.get(f"{account}/campaigns")
    assert graph.get(f"{account}/campaigns").status_code == 200


def test_a_malformed_page_is_no_json(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("malformed_page", times=1)
    answer = graph.get(f"{account}/campaigns")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("path", ["campaigns", "insights"])
def test_empty_pages_with_a_next_lose_nothing(sandbox: RunningSandbox, graph: Any, account: str, path: str) -> None:
    params = DAILY if path == "insights" else {}
    whole = graph.rows(f"{account}/{path}", limit=2, **params)
    calls = sandbox.requests()["total"]
    sandbox.fault("empty_page_with_next")
    empty = graph.get(f"{account}/{path}", limit=2, **params).json()
    assert empty["data"] == []
    assert "next" in empty["paging"]
    assert graph.rows(f"{account}/{path}", limit=2, **params) == whole
    assert sandbox.requests()["total"] == calls + 1 + 2 * calls


@pytest.mark.parametrize("limit", [1, 3])
def test_duplicate_rows_repeat_the_last_row_of_a_page_and_lose_nothing(
    sandbox: RunningSandbox, graph: Any, account: str, limit: int
) -> None:
    whole = graph.rows(f"{account}/ads", limit=500)
    sandbox.fault("duplicate_rows")
    found = graph.rows(f"{account}/ads", limit=limit)
    assert len(found) > len(whole)
    assert list(dict.fromkeys(row["id"] for row in found)) == [row["id"] for row in whole]
    first = graph.get(f"{account}/ads", limit=limit).json()
    second = graph.get(first["paging"]["next"]).json()
    assert second["data"][0] == first["data"][-1]


def test_an_unknown_field_is_in_every_row(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("unknown_field", endpoint="insights")
    rows = graph.rows(f"{account}/insights", **DAILY)
    assert {frozenset(row) for row in rows} == {
        frozenset({"campaign_id", "spend", "date_start", "date_stop", "field_of_tomorrow"})
    }


def test_a_type_that_changed_is_another_in_every_row(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    whole = graph.rows(f"{account}/insights", limit=500, **DAILY)
    sandbox.fault("type_changed")
    found = graph.rows(f"{account}/insights", limit=500, **DAILY)
    assert found == [{**row, "spend": {"value": row["spend"]}} for row in whole]


def test_a_bad_row_has_one_value_that_is_no_number(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    whole = graph.rows(f"{account}/insights", limit=500, **DAILY)
    sandbox.fault("bad_row", times=1)
    found = graph.rows(f"{account}/insights", limit=500, **DAILY)
    assert found[0] == {**whole[0], "spend": "n/a"}
    assert found[1:] == whole[1:]


def start(graph: Any, account: str) -> str:
    return str(graph.post(f"{account}/insights", level="campaign").json()["report_run_id"])


@pytest.mark.parametrize(("fault", "code", "subcode"), [("async_fail", -2, 2490547), ("async_too_large", -3, 1504045)])
def test_a_failed_report_says_why_and_stays_failed(
    sandbox: RunningSandbox, graph: Any, account: str, *, fault: str, code: int, subcode: int
) -> None:
    sandbox.fault(fault, account=account, times=1)
    run = start(graph, account)
    for _ in range(3):
        node = graph.get(run).json()
        assert (node["async_status"], node["error_code"], node["error_subcode"]) == ("Job Failed", code, subcode)
        assert node["is_running"] is False
    assert graph.get(f"{run}/insights").status_code == 400
    again = start(graph, account)
    graph.get(again)
    assert graph.get(again).json()["async_status"] == "Job Completed"


def test_a_skipped_report_stays_skipped(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("async_skip", times=1)
    run = start(graph, account)
    assert [graph.get(run).json()["async_status"] for _ in range(3)] == ["Job Skipped"] * 3


def test_a_report_may_run_at_100_percent_for_a_while(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("async_stuck_at_100", times=3)
    run = start(graph, account)
    polls = [graph.get(run).json() for _ in range(4)]
    states = [(one["async_status"], one["async_percent_completion"]) for one in polls]
    assert states == [("Job Running", 100)] * 3 + [("Job Completed", 100)]


def test_a_complete_report_may_not_be_readable_at_once(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("async_not_ready", times=1)
    run = start(graph, account)
    graph.get(run)
    graph.get(run)
    error = graph.get(f"{run}/insights").json()["error"]
    assert (error["error_subcode"], error["is_transient"]) == (1815107, True)
    assert graph.get(f"{run}/insights").status_code == 200


def batch(graph: Any, *urls: str) -> list[Any]:
    items = json.dumps([{"method": "GET", "relative_url": url} for url in urls])
    found: list[Any] = graph.post("", batch=items).json()
    return found


def test_null_items_come_until_one_is_left(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("batch_null_items")
    left, rounds = 10, 0
    while left:
        answers = batch(graph, *[account] * left)
        assert [item is None for item in answers] == [number % 2 == 1 for number in range(left)]
        left, rounds = sum(item is None for item in answers), rounds + 1
    assert rounds == 4


def test_faults_strike_items_of_a_batch_as_they_would_strike_calls(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    sandbox.fault("throttle_17_2446079", endpoint="campaigns")
    sandbox.fault("html_502", endpoint="ads")
    sandbox.fault("cut_connection", endpoint="creatives")
    items = batch(graph, account, f"{account}/campaigns", f"{account}/ads", f"{account}/adcreatives")
    assert [item and item["code"] for item in items] == [200, 400, 502, None]
    assert items[2]["body"].startswith("<html>")


def test_a_slow_item_makes_its_batch_slow(sandbox: RunningSandbox, account: str) -> None:
    sandbox.fault("slow", endpoint="campaigns", seconds=600)
    items = json.dumps([{"method": "GET", "relative_url": f"{account}/{edge}"} for edge in ("ads", "campaigns")])
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{sandbox.meta_url}/v26.0/", data={"access_token": "sandbox-token", "batch": items}, timeout=0.5)
    assert [rule["fired"] for rule in sandbox.faults()] == [1]


# How rules match.


def test_a_rule_strikes_only_the_account_and_endpoint_it_names(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    other = sandbox.truth("meta_ads", "ad_accounts")[1]["id"]
    sandbox.fault("transient_2", account=account.removeprefix("act_"), endpoint="ads")
    assert graph.get(f"{account}/ads").status_code == 500
    assert graph.get(f"{account}/adsets").status_code == 200
    assert graph.get(f"{other}/ads").status_code == 200


def test_a_rule_waits_and_ends_as_told(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("transient_2", after=2, times=3)
    assert [graph.get(account).status_code for _ in range(7)] == [200, 200, 500, 500, 500, 200, 200]


def test_a_rule_with_a_probability_strikes_the_same_calls_each_time(
    sandbox: RunningSandbox, graph: Any, account: str
) -> None:
    def struck() -> list[int]:
        sandbox.clear_faults()
        sandbox.fault("transient_2", probability=0.3)
        return [number for number in range(40) if graph.get(account).status_code == 500]

    first = struck()
    assert first == struck()
    assert 3 < len(first) < 25


def test_several_rules_strike_one_call(sandbox: RunningSandbox, graph: Any, account: str) -> None:
    sandbox.fault("unknown_field")
    sandbox.fault("bad_row")
    row = graph.get(f"{account}/campaigns", fields="name").json()["data"][0]
    assert row["name"] == "n/a"
    assert "field_of_tomorrow" in row


@pytest.mark.parametrize(
    ("fault", "match", "says"),
    [
        ("meteor", {}, "There is no fault 'meteor'; known: .*async_fail"),
        ("async_fail", {"vendor": "linkedin_ads"}, "There is no fault 'async_fail'; known: (?!.*async_fail)"),
        ("slow", {"vendor": "metta"}, "There is no vendor 'metta'; known: .*meta_ads"),
        ("slow", {"endpoint": "adsets"}, "There is no endpoint 'adsets'; known: .*ad_sets"),
        ("slow", {"vendor": "linkedin_ads", "endpoint": "ad_sets"}, "no endpoint 'ad_sets'; known: .*creatives"),
    ],
)
def test_a_rule_that_could_never_strike_is_refused(
    sandbox: RunningSandbox, fault: str, match: dict[str, str], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        sandbox.fault(fault, **match)
    assert sandbox.faults() == []
