"""Every fault of LinkedIn's: what a client sees of it, and that it strikes only where and as often as it should."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from linkedin_client import Rest, daily

from dataflow_assets.sandbox.linkedin_ads.api import FAULTS
from dataflow_assets.sandbox.linkedin_ads.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from dataflow_assets.sandbox.testing import RunningSandbox

FINDER = {"X-RestLi-Method": "FINDER"}
CREATIVES = "q=criteria&intendedStatuses=List(ACTIVE,PAUSED,ARCHIVED)"

# Status, serviceErrorCode, code, and a part of the message.
REFUSED: dict[str, tuple[int, int | None, str | None, str]] = {
    "throttle_day": (429, 101, "TOO_MANY_REQUESTS", "APPLICATION_AND_MEMBER DAY limit"),
    "throttle_values": (429, 101, "TOO_MANY_REQUESTS", "45 million metric values"),
    "throttle_resource": (429, 101, "TOO_MANY_REQUESTS", "Resource level throttle limit for calls"),
    "throttle_segment": (429, 101, "SEGMENT_LIMIT_EXCEEDED", "segments"),
    "expired_token": (401, 65602, "EXPIRED_ACCESS_TOKEN", "expired"),
    "revoked_token": (401, 65601, "REVOKED_ACCESS_TOKEN", "revoked by the user"),
    "access_denied": (403, 100, "ACCESS_DENIED", "adAnalytics.FINDER-analytics.20260701"),
    "not_found_account": (404, 100, "NOT_FOUND", "urn:li:sponsoredAccount:50800000000000011"),
    "version_blocked": (426, None, "NONEXISTENT_VERSION", "Requested version 20260701 is not active"),
    "transient_500": (500, None, None, "Internal Server Error"),
    "maintenance_503": (503, None, "UNDER_MAINTENANCE", "Unavailable"),
    "timeout_408": (408, None, "TIMEOUT", "Timeout"),
    "timeout_504": (504, None, "GATEWAY_TIMEOUT", "Timeout"),
}
SHOWN_ELSEWHERE = {
    "html_502",
    "slow",
    "cut_connection",
    "malformed_page",
    "empty_page_with_next",
    "short_page_with_token",
    "duplicate_rows",
    "unknown_field",
    "bad_row",
    "type_changed",
    "zeros_left_out",
    "empty_without_access",
    "expired_refresh_token",
}


@pytest.fixture
def rest(sandbox: RunningSandbox) -> Iterator[Rest]:
    with httpx.Client() as client:
        yield Rest(sandbox, client)


@pytest.fixture
def account(sandbox: RunningSandbox) -> int:
    return int(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])


def test_no_fault_is_without_a_test() -> None:
    assert REFUSED.keys() | SHOWN_ELSEWHERE == FAULTS


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_has_its_code_and_status_and_strikes_once_when_told_so(
    sandbox: RunningSandbox, rest: Rest, account: int, fault: str
) -> None:
    sandbox.fault(fault, vendor="linkedin_ads", account=str(account), endpoint="analytics", times=1)
    answer = rest.get("adAnalytics", daily(account))
    body = answer.json()
    status, service, code, says = REFUSED[fault]
    assert (answer.status_code, body["status"]) == (status, status)
    assert (body.get("serviceErrorCode"), body.get("code")) == (service, code)
    assert says in body["message"]
    assert "retry-after" not in answer.headers
    assert rest.get("adAnalytics", daily(account)).status_code == 200
    assert [rule["fired"] for rule in sandbox.faults()] == [1]
    assert sandbox.requests()["throttled"] == (status == 429)


def test_the_daily_quota_and_a_denial_read_as_linkedin_writes_them(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    sandbox.fault("throttle_day", endpoint="creatives", times=1)
    assert rest.get(f"adAccounts/{account}/creatives", CREATIVES, FINDER).json() == {
        "status": 429,
        "serviceErrorCode": 101,
        "code": "TOO_MANY_REQUESTS",
        "message": "Resource level throttle APPLICATION_AND_MEMBER DAY limit for calls to this resource is reached.",
    }
    sandbox.fault("access_denied", endpoint="campaigns")
    denied = rest.get(f"adAccounts/{account}/adCampaigns", "q=search", {"LinkedIn-Version": "202608"})
    assert denied.json()["message"] == "Not enough permissions to access: adCampaigns.FINDER-search.20260801"


@pytest.mark.parametrize("fault", ["throttle_day", "throttle_values", "throttle_resource", "throttle_segment"])
def test_a_throttle_tells_when_to_come_back_if_it_has_seconds(
    sandbox: RunningSandbox, rest: Rest, account: int, fault: str
) -> None:
    sandbox.fault(fault, seconds=90)
    answer = rest.get("adAnalytics", daily(account))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "90")


def test_status_and_service_code_can_be_chosen(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("expired_token", status=403, code=65604)
    answer = rest.get(f"adAccounts/{account}")
    assert (answer.status_code, answer.json()["status"], answer.json()["serviceErrorCode"]) == (403, 403, 65604)


# Transport.


def test_html_comes_instead_of_json(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("html_502", times=1)
    answer = rest.get(f"adAccounts/{account}")
    assert answer.status_code == 502
    assert "<h1>" in answer.text


def test_a_slow_answer_outlasts_an_impatient_client(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("slow", seconds=0.4, times=2)
    url, headers = f"{rest.base}/adAccounts/{account}", rest.headers({})
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(url, headers=headers, timeout=0.05)
    assert httpx.get(url, headers=headers, timeout=30).status_code == 200


def test_a_cut_connection_ends_in_the_middle_of_the_body(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("cut_connection", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        rest.get("adAnalytics", daily(account))
    assert rest.get("adAnalytics", daily(account)).status_code == 200


def test_a_malformed_page_is_no_json(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("malformed_page", times=1)
    answer = rest.get("adAnalytics", daily(account))
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


# Pages.


def creatives(account: int) -> str:
    return f"adAccounts/{account}/creatives"


def test_a_short_page_with_a_token_is_not_the_end(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    whole = rest.find(creatives(account), CREATIVES)
    sandbox.fault("short_page_with_token")
    page = rest.get(creatives(account), f"{CREATIVES}&pageSize=20", FINDER).json()
    assert len(page["elements"]) == 10
    assert page["metadata"]["nextPageToken"]
    assert rest.find(creatives(account), f"{CREATIVES}&pageSize=20") == whole
    assert rest.find(creatives(account), f"{CREATIVES}&pageSize=1") == whole


@pytest.mark.parametrize("path", ["adAccounts", "creatives"])
def test_empty_pages_with_a_token_lose_nothing(sandbox: RunningSandbox, rest: Rest, account: int, path: str) -> None:
    where, query = (path, "q=search&pageSize=1") if path == "adAccounts" else (creatives(account), CREATIVES)
    whole = rest.find(where, query)
    calls = sandbox.requests()["total"]
    sandbox.fault("empty_page_with_next")
    page = rest.get(where, query, FINDER).json()
    assert page["elements"] == []
    assert page["metadata"]["nextPageToken"]
    assert rest.find(where, query) == whole
    assert sandbox.requests()["total"] == calls + 1 + 2 * calls


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
def test_duplicate_rows_repeat_the_last_row_of_a_page_and_lose_nothing(
    sandbox: RunningSandbox, rest: Rest, account: int, size: int, order: str
) -> None:
    query = f"{CREATIVES}&sortOrder={order}"
    whole = rest.find(creatives(account), query)
    sandbox.fault("duplicate_rows")
    found = rest.find(creatives(account), f"{query}&pageSize={size}")
    assert len(found) > len(whole)
    assert list(dict.fromkeys(row["id"] for row in found)) == [row["id"] for row in whole]
    assert found[size - 1] == found[size]


def test_an_unknown_field_is_in_every_row(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("unknown_field")
    for rows in (rest.analytics(account), rest.find(creatives(account), CREATIVES), [rest.get("adAccounts/1").json()]):
        assert all(("fieldOfTomorrow" in row) == ("status" not in row) for row in rows)
    assert "fieldOfTomorrow" in rest.get(f"adAccounts/{account}").json()


def test_a_bad_row_has_one_value_that_is_none(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    whole = rest.analytics(account)
    entities = rest.find(creatives(account), CREATIVES)
    sandbox.fault("bad_row")
    found = rest.analytics(account)
    assert found[0] == {**whole[0], "costInLocalCurrency": "n/a"}
    assert found[1:] == whole[1:]
    assert rest.find(creatives(account), CREATIVES) == [{**entities[0], "lastModifiedAt": "n/a"}, *entities[1:]]
    assert rest.analytics(508000111) == []


def test_a_changed_type_makes_a_count_an_object(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    whole = rest.analytics(account)
    names = "dateRange,costInUsd"
    plain = rest.analytics(account, fields=names)
    sandbox.fault("type_changed")
    assert rest.analytics(account) == [{**row, "impressions": {"value": row["impressions"]}} for row in whole]
    assert rest.analytics(account, fields=names) == plain
    assert {type(row["lastModifiedAt"]) for row in rest.find(creatives(account), CREATIVES)} == {dict}


def test_metrics_that_are_nothing_may_be_absent(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    whole = rest.analytics(account)
    sandbox.fault("zeros_left_out")
    found = rest.analytics(account)
    assert found == [{name: value for name, value in row.items() if value not in (0, "0.0")} for row in whole]
    assert found != whole


def test_a_member_without_access_gets_no_rows_and_no_error(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("empty_without_access", account=str(account))
    assert rest.analytics(account) == []
    assert rest.analytics(account + 1_000_000_006) != []


# Tokens.


def token(rest: Rest) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return rest.client.post(f"{rest.base.removesuffix('/rest')}/oauth/v2/accessToken", data={**form, **client})


def test_a_refresh_token_may_have_expired(sandbox: RunningSandbox, rest: Rest) -> None:
    sandbox.fault("expired_refresh_token", times=1)
    answer = token(rest)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert token(rest).status_code == 200


@pytest.mark.parametrize("fault", ["transient_500", "maintenance_503", "timeout_504", "throttle_resource", "html_502"])
def test_what_fails_may_also_fail_for_tokens(sandbox: RunningSandbox, rest: Rest, fault: str) -> None:
    sandbox.fault(fault, endpoint="access_token", times=1)
    status = REFUSED[fault][0] if fault in REFUSED else 502
    assert token(rest).status_code == status
    assert token(rest).status_code == 200


def test_a_fault_of_rows_waits_for_rows(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.fault("short_page_with_token", times=1)
    sandbox.fault("revoked_token", times=1, after=1)
    assert token(rest).status_code == 200
    assert rest.get("adAnalytics", daily(account)).status_code == 200
    assert [rule["fired"] for rule in sandbox.faults()] == [0, 0]
    assert rest.get(f"adAccounts/{account}").status_code == 401


@pytest.mark.parametrize("match", [{"account": "other"}, {"endpoint": "campaign_groups"}, {"vendor": "meta_ads"}])
def test_a_rule_strikes_only_what_it_names(
    sandbox: RunningSandbox, rest: Rest, account: int, match: dict[str, Any]
) -> None:
    match = {**match, "account": str(account + 1_000_000_006)} if "account" in match else match
    sandbox.fault("html_502", **match)
    assert rest.get(f"adAccounts/{account}/adCampaigns", "q=search").status_code == 200
    if "endpoint" in match:
        assert rest.get(f"adAccounts/{account}/adCampaignGroups", "q=search").status_code == 502
    if "account" in match:
        assert rest.get(f"adAccounts/{match['account']}/adCampaigns", "q=search").status_code == 502
