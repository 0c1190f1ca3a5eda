"""The control plane over HTTP, as the demo and the dashboard use it."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from dataflow_assets.sandbox.testing import RunningSandbox


class Plane:
    """A client of the control plane."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._base = sandbox.control_url

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        answer = self.raw(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def raw(self, method: str, path: str, body: object = None) -> httpx.Response:
        content = None if body is None else json.dumps(body)
        return httpx.request(method, f"{self._base}/{path}", content=content)


@pytest.fixture
def plane(sandbox: RunningSandbox) -> Plane:
    return Plane(sandbox)


def test_health_tells_vendors_world_and_time(plane: Plane) -> None:
    health = plane("GET", "health")
    assert health["status"] == "ok"
    assert health["vendors"] == sorted(plane("GET", "limits"))
    assert "meta_ads" in health["vendors"]
    assert health["world"]["seed"] == 7
    assert health["now"] == "2026-05-01T12:00:00Z"


def test_the_clock_is_set_advanced_and_set_running(sandbox: RunningSandbox, plane: Plane) -> None:
    assert plane("POST", "clock", {"advance_seconds": 90})["now"] == "2026-05-01T12:01:30Z"
    assert plane("POST", "clock", {"now": "2026-03-01T00:00:00+01:00"})["now"] == "2026-02-28T23:00:00Z"
    assert sandbox.clock.now() == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert plane("POST", "clock", {"speed": 60})["speed"] == 60
    assert plane("POST", "clock", {"speed": 0})["speed"] == 0
    assert plane("GET", "clock")["now"] >= "2026-02-28T23:00:00Z"


@pytest.mark.parametrize(
    "body", [{"now": "2026-03-01T00:00:00"}, {"speed": -1}, {"tomorrow": True}, {"advance_seconds": "a"}, "noon"]
)
def test_a_wrong_time_changes_nothing(sandbox: RunningSandbox, plane: Plane, body: object) -> None:
    before = sandbox.clock.now()
    answer = plane.raw("POST", "clock", body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert sandbox.clock.now() == before


def test_requests_are_counted_by_endpoint_and_account_and_reset(plane: Plane, graph: Any, account: str) -> None:
    graph.get(f"{account}/campaigns", limit=1)
    graph.get(f"{account}/insights")
    run = graph.post(f"{account}/insights").json()["report_run_id"]
    graph.get(run)
    graph.get(run)
    graph.get(f"{run}/insights")
    graph.get("me/adaccounts")
    plane("GET", "health")
    counts = plane("GET", "requests")
    assert counts == {
        "total": 7,
        "by_vendor": {"meta_ads": 7},
        "by_endpoint": {
            "meta_ads": {
                "campaigns": 1,
                "insights": 1,
                "async_create": 1,
                "async_poll": 2,
                "async_page": 1,
                "ad_accounts": 1,
            }
        },
        "by_account": {"meta_ads": {account.removeprefix("act_"): 6}},
        "throttled": 0,
    }
    assert plane("DELETE", "requests")["total"] == 0


def test_faults_are_added_listed_and_cleared(plane: Plane, graph: Any, account: str) -> None:
    rules = [
        {"fault": "transient_2", "match": {"vendor": "meta_ads", "account": account, "endpoint": "ads"}, "times": 1},
        {"fault": "slow", "seconds": 0.01},
    ]
    plane("POST", "faults", rules)
    assert graph.get(f"{account}/ads").status_code == 500
    listed = plane("GET", "faults")
    assert [(rule["fault"], rule["fired"]) for rule in listed] == [("transient_2", 1), ("slow", 1)]
    assert plane("DELETE", "faults") == []
    assert plane("GET", "faults") == []


def test_a_fault_strikes_only_in_its_time(sandbox: RunningSandbox, plane: Plane, graph: Any, account: str) -> None:
    # The world stands at 2026-05-01T12:00:00Z. One request at each of these times; `times` counts only those hit.
    rule = {"fault": "transient_2", "since": "2026-05-01T13:00:00Z", "until": "2026-05-01T16:00:00+02:00", "times": 2}
    (listed,) = plane("POST", "faults", [rule])
    assert (listed["since"], listed["until"]) == ("2026-05-01T13:00:00Z", "2026-05-01T16:00:00+02:00")
    seen = []
    for clock in ("12:59:59", "13:00:00", "13:59:59", "14:00:00", "13:30:00"):
        plane("POST", "clock", {"now": f"2026-05-01T{clock}Z"})
        seen.append(graph.get(f"{account}/ads").status_code)
    assert seen == [200, 500, 500, 200, 200]
    assert sandbox.faults()[0]["seen"] == 3, "a request outside of its time is not one that matches"


@pytest.mark.parametrize(
    "rules",
    [
        [{"fault": "slow"}, {"fault": "meteor"}],
        [{"fault": "slow", "often": True}],
        {"fault": "slow"},
        [{}],
        [{"fault": "slow", "since": "2026-05-01T13:00:00"}],
        [{"fault": "slow", "until": "noon"}],
        [{"fault": "slow", "since": "2026-05-01T13:00:00Z", "until": "2026-05-01T13:00:00Z"}],
    ],
)
def test_a_wrong_list_of_rules_adds_none(plane: Plane, rules: object) -> None:
    assert plane.raw("POST", "faults", rules).status_code == 400
    assert plane("GET", "faults") == []


def test_limits_are_changed_one_by_one_and_reset_together(plane: Plane) -> None:
    default = plane("GET", "limits")["meta_ads"]
    changed = plane("POST", "limits", {"meta_ads": {"score_max": 60}})["meta_ads"]
    assert changed == {**default, "score_max": 60}
    changed = plane("POST", "limits", {"meta_ads": {"async_polls": 5}})["meta_ads"]
    assert changed == {**default, "score_max": 60, "async_polls": 5}
    assert plane("DELETE", "limits")["meta_ads"] == default


@pytest.mark.parametrize("body", [{"metta": {}}, {"meta_ads": {"score": 1}}, {"meta_ads": {"score_max": "many"}}, []])
def test_a_wrong_limit_is_refused(plane: Plane, body: object) -> None:
    assert plane.raw("POST", "limits", body).status_code == 400


def test_the_truth_comes_as_lines_for_one_account_and_its_days(
    sandbox: RunningSandbox, plane: Plane, account: str
) -> None:
    answer = plane.raw(
        "GET", f"truth/meta_ads/insights_ad?account={account}&from=2026-03-01&to=2026-03-02&windows=7d_click"
    )
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert {row["date_start"] for row in rows} == {"2026-03-01", "2026-03-02"}
    assert {row["account_id"] for row in rows} == {account.removeprefix("act_")}
    assert any("7d_click" in action for row in rows for action in row.get("actions", []))
    alive = plane.raw(
        "GET", f"truth/meta_ads/insights_ad?account={account}&from=2026-03-01&to=2026-03-02&deleted=exclude"
    )
    assert 0 < len(alive.text.splitlines()) < len(rows)


@pytest.mark.parametrize("stream", ["ad_accounts", "campaigns", "ad_sets", "ads", "creatives"])
def test_the_truth_of_entities_holds_all_accounts_and_no_deleted_thing(plane: Plane, stream: str) -> None:
    rows = [json.loads(line) for line in plane.raw("GET", f"truth/meta_ads/{stream}").text.splitlines()]
    assert len({row["account_id"] for row in rows}) == 4
    assert len({row["id"] for row in rows}) == len(rows)
    assert "DELETED" not in {row.get("effective_status") for row in rows}


@pytest.mark.parametrize(
    "path",
    ["truth/metta/ads", "truth/meta_ads/adverts", "truth/meta_ads/ads?account=1", "truth/meta_ads/ads?from=March"],
)
def test_a_truth_that_is_not_there_is_refused(plane: Plane, path: str) -> None:
    assert plane.raw("GET", path).status_code == 400
