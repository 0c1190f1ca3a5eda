"""Keys, headers, limits and every fault: what a client sees, and that it strikes only where and when it should."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from stripe_client import NOW, Api, by_id, code

from dataflow_assets.sandbox.stripe.api import FAULTS
from dataflow_assets.sandbox.stripe.auth import restricted_key, secret_key
from dataflow_assets.sandbox.stripe.versions import CURRENT, OLD
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

# Per refusal: status, code, and what the header says about trying again.
REFUSED: dict[str, tuple[int, str | None, str | None]] = {
    "throttle_rate_limit": (429, "rate_limit", None),
    "throttle_rate_limit_should_retry": (429, "rate_limit", "true"),
    "throttle_lock_timeout": (429, "lock_timeout", None),
    "throttle_lock_timeout_should_retry": (429, "lock_timeout", "true"),
    "api_error_500": (500, None, None),
    "overloaded_503": (503, None, None),
    "conflict_409": (409, None, None),
    "expired_key": (401, "api_key_expired", None),
    "permission_denied": (403, None, None),
    "revoked_account": (403, "account_invalid", None),
}
SHOWN_ELSEWHERE = {
    "html_502",
    "slow",
    "cut_connection",
    "malformed_page",
    "empty_page_with_more",
    "duplicate_rows",
    "unknown_field",
    "bad_row",
    "type_changed",
    "cursor_gone",
}


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with run_sandbox(WorldConfig(days=60, stripe_accounts=2), now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: RunningSandbox) -> Iterator[Api]:
    with httpx.Client() as http:
        yield Api(sandbox, http)


def test_no_fault_is_without_a_test() -> None:
    assert REFUSED.keys() | SHOWN_ELSEWHERE == FAULTS


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_has_its_status_and_code_and_strikes_once_when_told_so(
    sandbox: RunningSandbox, api: Api, fault: str
) -> None:
    account = api.body("account")["id"]
    sandbox.fault(fault, vendor="stripe", account=account, endpoint="charges", times=1)
    assert api.get("refunds").status_code == 200
    assert api.get("charges", Authorization=f"Bearer {secret_key(1)}").status_code == 200
    answer = api.get("charges")
    assert (*code(answer)[:2], answer.headers.get("stripe-should-retry")) == REFUSED[fault]
    assert answer.json()["error"]["type"] in ("api_error", "invalid_request_error")
    assert answer.headers["request-id"].startswith("req_")
    assert api.get("charges").status_code == 200
    assert [rule["fired"] for rule in sandbox.faults()] == [1]
    assert sandbox.requests()["throttled"] == (1 if answer.status_code == 429 else 0)


def test_a_missing_right_is_named(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.fault("permission_denied", endpoint="invoices")
    assert "rak_invoices_read" in api.get("invoices").json()["error"]["message"]


def test_a_bad_gateway_is_html(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.fault("html_502")
    answer = api.get("charges")
    assert answer.status_code == 502
    assert answer.headers["content-type"].startswith("text/html")


def test_a_page_cut_in_its_middle_is_no_json(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.fault("malformed_page", times=1)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|Invalid"):
        api.get("charges").json()
    assert api.body("charges")["data"]


def test_a_cut_connection_breaks_off(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.fault("cut_connection", times=1)
    with pytest.raises(httpx.RemoteProtocolError):
        api.get("charges")
    assert api.body("charges")["data"]


def test_a_slow_answer_outlasts_an_impatient_client(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.fault("slow", seconds=0.4, times=1)
    with pytest.raises(httpx.ReadTimeout):
        api.http.get(f"{api.base}/charges", headers=api.headers, timeout=0.05)
    assert api.http.get(f"{api.base}/charges", headers=api.headers, timeout=30).status_code == 200


def test_an_empty_page_says_that_there_is_more_and_the_same_call_brings_it(sandbox: RunningSandbox, api: Api) -> None:
    whole = api.body("charges")
    sandbox.fault("empty_page_with_more", endpoint="charges", times=1)
    assert api.body("charges") == {**whole, "data": [], "has_more": True}
    assert api.body("charges") == whole


def test_a_row_is_repeated_at_the_head_of_each_later_page(sandbox: RunningSandbox, api: Api) -> None:
    first = api.body("charges", {"limit": 3})
    last = first["data"][-1]["id"]
    clean = api.body("charges", {"limit": 3, "starting_after": last})["data"]
    sandbox.fault("duplicate_rows", endpoint="charges")
    assert api.body("charges", {"limit": 3}) == first
    spoiled = api.body("charges", {"limit": 3, "starting_after": last})["data"]
    assert [row["id"] for row in spoiled] == [last, *(row["id"] for row in clean[:2])]
    everything = api.rows("charges", {"limit": 10})
    assert len(everything) > len({row["id"] for row in everything})
    sandbox.clear_faults()
    assert {row["id"] for row in everything} == by_id(api.rows("charges")).keys()


def test_lines_and_items_can_be_repeated_as_well(sandbox: RunningSandbox, api: Api) -> None:
    bill = next(row for row in api.rows("invoices") if len(row["lines"]["data"]) > 1)
    first = bill["lines"]["data"][0]["id"]
    sandbox.fault("duplicate_rows", endpoint="invoice_lines")
    page = api.body(f"invoices/{bill['id']}/lines", {"starting_after": first})
    assert page["data"][0]["id"] == first


def test_a_field_of_tomorrow_comes_in_every_row(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.fault("unknown_field", endpoint="charges")
    assert all("field_of_tomorrow" in row for row in api.body("charges")["data"])


@pytest.mark.parametrize(
    ("name", "field"),
    [("charges", "amount"), ("invoices", "amount_due"), ("events", "created"), ("prices", "unit_amount")],
)
def test_a_bad_row_is_the_first_and_a_changed_type_is_everywhere(
    sandbox: RunningSandbox, api: Api, name: str, field: str
) -> None:
    clean = api.body(name)["data"]
    sandbox.fault("bad_row", endpoint=name, times=1)
    spoiled = api.body(name)["data"]
    assert spoiled == [{**clean[0], field: "n/a"}, *clean[1:]]
    sandbox.clear_faults()
    sandbox.fault("type_changed", endpoint=name)
    assert api.body(name)["data"] == [{**row, field: {"value": row[field]}} for row in clean]


def test_a_cursor_can_be_gone(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.fault("cursor_gone", endpoint="charges")
    page = api.body("charges", {"limit": 1})
    answer = api.get("charges", {"limit": 1, "starting_after": page["data"][0]["id"]})
    assert code(answer) == (400, "resource_missing", "starting_after")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {secret_key(0)}", 200),
        (f"bearer {restricted_key(1)}", 200),
        ("Basic " + base64.b64encode(f"{secret_key(0)}:".encode()).decode(), 200),
        ("Basic !", 401),
        ("Bearer", 401),
        ("", 401),
        ("Bearer sk_test_sandbox_2", 401),
        ("Bearer sk_test_sandbox_00", 401),
        ("Bearer sk_live_sandbox_0", 401),
    ],
)
def test_a_key_opens_its_account(api: Api, header: str, status: int) -> None:
    assert api.get("customers", Authorization=header).status_code == status


def test_a_wrong_key_is_told_only_by_its_end(api: Api) -> None:
    message = api.get("customers", Authorization="Bearer sk_test_very_secret_0815").json()["error"]["message"]
    assert "secret" not in message
    assert message.endswith("0815")


def test_other_accounts_are_out_of_reach_but_for_the_first_key(api: Api) -> None:
    first, second = (api.body("account", Authorization=f"Bearer {secret_key(number)}")["id"] for number in (0, 1))
    assert api.body("account", Stripe_Account=second)["id"] == second
    assert api.get("account", Stripe_Account=second).headers["stripe-account"] == second
    assert code(api.get("account", Stripe_Account="acct_none"))[:2] == (403, "account_invalid")
    other = f"Bearer {secret_key(1)}"
    assert api.body("account", Stripe_Account=second, Authorization=other)["id"] == second
    assert code(api.get("account", Stripe_Account=first, Authorization=other))[:2] == (403, "account_invalid")


def test_writing_is_refused_and_a_restricted_key_has_no_right_to_it(api: Api) -> None:
    customer = api.body("customers")["data"][0]["id"]
    url = f"{api.base}/customers/{customer}"
    assert api.http.delete(url, headers=api.headers).status_code == 400
    assert api.http.post(url, headers=api.headers, data={"name": "x"}).status_code == 400
    restricted = {**api.headers, "Authorization": f"Bearer {restricted_key(0)}"}
    assert api.http.delete(url, headers=restricted).status_code == 403
    assert api.body(f"customers/{customer}")["id"] == customer


def test_every_answer_has_a_request_id_of_its_own_and_tells_its_version(api: Api) -> None:
    answers = [
        api.get("customers"),
        api.get("customers", Stripe_Version=OLD),
        api.get("nothing"),
        api.get("customers", Authorization="Bearer x"),
    ]
    assert len({answer.headers["request-id"] for answer in answers}) == len(answers)
    assert [answer.headers["stripe-version"] for answer in answers] == [CURRENT, OLD, CURRENT, CURRENT]


def test_requests_are_counted_by_endpoint_and_account(sandbox: RunningSandbox, api: Api) -> None:
    account = api.body("account")["id"]
    sandbox.reset_requests()
    bill = api.body("invoices")["data"][0]
    api.body(f"invoices/{bill['id']}")
    api.body(f"invoices/{bill['id']}/lines")
    api.get("nothing")
    counted = sandbox.requests()
    assert counted["by_vendor"] == {"stripe": 4}
    assert counted["by_endpoint"] == {"stripe": {"invoices": 1, "invoice": 1, "invoice_lines": 1}}
    assert counted["by_account"] == {"stripe": {account: 3}}


def statuses(api: Api, *paths: str) -> list[int]:
    return [api.get(path).status_code for path in paths]


def still(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop real time for the limiters, which otherwise forgive by it while the world stands still."""
    monkeypatch.setattr(sandbox.clock, "_wall", lambda: 1_800_000_000.0)
    sandbox.clock.advance(0)


def test_an_endpoint_has_its_calls_a_second_and_others_have_their_own(
    sandbox: RunningSandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(sandbox, monkeypatch)
    sandbox.limits("stripe", endpoint_calls_per_second=25)
    assert statuses(api, *["charges"] * 27) == [200] * 25 + [429] * 2
    answer = api.get("charges")
    assert code(answer)[:2] == (429, "rate_limit")
    assert answer.headers["stripe-rate-limited-reason"] == "endpoint-rate"
    assert "stripe-should-retry" not in answer.headers
    charge = sandbox.truth("stripe", "charges", account=api.body("account")["id"])[0]["id"]
    assert statuses(api, "refunds", f"charges/{charge}") == [200, 200]
    assert api.get("charges", Authorization=f"Bearer {secret_key(1)}").status_code == 200
    sandbox.clock.advance(0.2)
    assert statuses(api, *["charges"] * 6) == [200] * 5 + [429]
    assert sandbox.requests()["throttled"] == 4


def test_an_account_has_its_calls_a_second_over_all_endpoints(
    sandbox: RunningSandbox, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    still(sandbox, monkeypatch)
    sandbox.limits("stripe", account_calls_per_second=4, should_retry="true")
    assert statuses(api, "charges", "refunds", "events", "prices", "coupons") == [200] * 4 + [429]
    answer = api.get("charges")
    assert answer.headers["stripe-rate-limited-reason"] == "global-rate"
    assert answer.headers["stripe-should-retry"] == "true"
    sandbox.clock.advance(1)
    assert statuses(api, "charges") == [200]


def test_limits_are_high_unless_asked_for_and_can_be_restored(sandbox: RunningSandbox, api: Api) -> None:
    assert set(statuses(api, *["coupons"] * 60)) == {200}
    sandbox.limits("stripe", endpoint_calls_per_second=1, most_rows=5)
    assert api.get("coupons", {"limit": 6}).status_code == 400
    sandbox.reset_limits()
    assert set(statuses(api, *["coupons"] * 5)) == {200}
    assert len(api.body("coupons", {"limit": 6})["data"]) == 6


@pytest.mark.parametrize("change", [{"endpoint_calls_per_second": 0}, {"should_retry": "perhaps"}, {"unknown": 1}])
def test_limits_that_make_no_sense_are_refused(sandbox: RunningSandbox, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"Expected|Invalid|unknown"):
        sandbox.limits("stripe", **change)
