"""Meta's protocol by bare HTTP: versions, addresses, tokens, world time, batches."""

import hashlib
import hmac
import json
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from meta_client import code, error

from dataflow_assets.sandbox.testing import APP_SECRET, TOKEN, RunningSandbox

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
