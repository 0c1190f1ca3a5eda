"""Every fault of Google Ads: what a client sees of it, and that it strikes only where and as often as it should."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsResponse
from google.protobuf import json_format
from google_client import BERLIN, CREDENTIALS, LOS_ANGELES, Ads, between, code, failure, select, signed_in

from dataflow_assets.sandbox.google_ads.api import FAULTS
from dataflow_assets.sandbox.testing import RunningSandbox

CAMPAIGNS = "SELECT campaign.id FROM campaign"
ADS = "SELECT ad_group_ad.ad.id FROM ad_group_ad"
DAILY = select("campaign_performance", between("2026-04-01", "2026-04-20"))

REFUSED = {
    "throttle_account": (429, "quotaError", "RESOURCE_EXHAUSTED"),
    "throttle_project": (429, "quotaError", "RESOURCE_EXHAUSTED"),
    "throttle_temporary": (429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED"),
    "throttle_short_term_cost": (429, "quotaError", "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"),
    "throttle_long_term_cost": (429, "quotaError", "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"),
    "internal_error": (500, "internalError", "INTERNAL_ERROR"),
    "transient_error": (503, "internalError", "TRANSIENT_ERROR"),
    "deadline_exceeded": (504, "internalError", "DEADLINE_EXCEEDED"),
    "expired_token": (401, "authenticationError", "OAUTH_TOKEN_EXPIRED"),
    "revoked_token": (401, "authenticationError", "OAUTH_TOKEN_REVOKED"),
    "permission_denied": (403, "authorizationError", "USER_PERMISSION_DENIED"),
    "customer_not_enabled": (403, "authorizationError", "CUSTOMER_NOT_ENABLED"),
    "version_blocked": (400, "requestError", "UNSUPPORTED_VERSION"),
}
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
TOKEN_FAULTS = {"invalid_grant": (400, "invalid_grant"), "token_unavailable": (503, "temporarily_unavailable")}
SHOWN_ELSEWHERE = {
    "unavailable",
    "mixed_errors",
    "expired_page_token",
    "html_502",
    "slow",
    "cut_connection",
    "malformed_page",
    "empty_page_with_next",
    "duplicate_rows",
    "unknown_field",
    "bad_row",
    "type_changed",
    "stream_error_midway",
}


@pytest.fixture
def ads(sandbox: RunningSandbox) -> Iterator[Ads]:
    with signed_in(sandbox) as client:
        yield client


def test_no_fault_is_without_a_test() -> None:
    assert REFUSED.keys() | TOKEN_FAULTS.keys() | SHOWN_ELSEWHERE == FAULTS


@pytest.mark.parametrize("method", ["search", "searchStream"])
@pytest.mark.parametrize("fault", REFUSED)
def test_a_refusal_has_its_code_and_status_and_strikes_once_when_told_so(
    sandbox: RunningSandbox, ads: Ads, fault: str, method: str
) -> None:
    sandbox.reset_requests()
    sandbox.fault(fault, vendor="google_ads", account=BERLIN, endpoint="campaign", times=1)
    answer = ads.post(CAMPAIGNS, method=method)
    assert code(answer) == REFUSED[fault]
    body = answer.json()
    assert isinstance(body, list) == (method == "searchStream")
    error = (body[0] if isinstance(body, list) else body)["error"]
    assert error["status"] == STATUS_NAMES[answer.status_code]
    assert ads.post(CAMPAIGNS, method=method).status_code == 200
    assert [rule["fired"] for rule in sandbox.faults()] == [1]
    assert sandbox.requests()["throttled"] == int(fault.startswith("throttle"))


@pytest.mark.parametrize(
    ("fault", "seconds", "expected"),
    [
        ("throttle_account", None, ("ACCOUNT", "30s")),
        ("throttle_account", 2.5, ("ACCOUNT", "2.500s")),
        ("throttle_project", None, ("DEVELOPER", "5400s")),
        ("throttle_project", 40591, ("DEVELOPER", "40591s")),
    ],
)
def test_a_quota_says_whom_it_stops_and_for_how_long(
    sandbox: RunningSandbox, ads: Ads, fault: str, seconds: float | None, expected: tuple[str, str]
) -> None:
    sandbox.fault(fault, seconds=seconds)
    (error,) = failure(ads.post(CAMPAIGNS))
    details = error["details"]["quotaErrorDetails"]
    assert (details["rateScope"], details["retryDelay"]) == expected
    assert details["rateName"]


def test_a_short_throttle_does_not_say_for_how_long(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("throttle_temporary")
    (error,) = failure(ads.post(CAMPAIGNS))
    assert "details" not in error


def test_the_status_of_a_refusal_can_be_chosen(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("expired_token", status=400)
    assert code(ads.post(CAMPAIGNS)) == (400, "authenticationError", "OAUTH_TOKEN_EXPIRED")


def test_a_bare_503_carries_no_failure(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("unavailable")
    answer = ads.post(CAMPAIGNS)
    assert answer.status_code == 503
    assert answer.json()["error"].keys() == {"code", "message", "status"}


def test_a_failure_may_list_errors_of_which_only_some_pass(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("mixed_errors")
    answer = ads.post(CAMPAIGNS)
    assert answer.status_code == 403
    assert [error["errorCode"] for error in failure(answer)] == [
        {"internalError": "TRANSIENT_ERROR"},
        {"authorizationError": "USER_PERMISSION_DENIED"},
    ]


def test_refusals_strike_the_list_of_customers_too(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("internal_error", endpoint="list_accessible_customers")
    assert code(ads.get("v26/customers:listAccessibleCustomers")) == (500, "internalError", "INTERNAL_ERROR")
    assert ads.post(CAMPAIGNS).status_code == 200


@pytest.mark.parametrize("fault", TOKEN_FAULTS)
def test_the_token_endpoint_fails_in_its_own_way(sandbox: RunningSandbox, ads: Ads, fault: str) -> None:
    sandbox.fault(fault, times=1)
    answer = httpx.post(f"{sandbox.google_url}/token", data=CREDENTIALS)
    assert (answer.status_code, answer.json()["error"]) == TOKEN_FAULTS[fault]
    assert ads.post(CAMPAIGNS).status_code == 200
    assert httpx.post(f"{sandbox.google_url}/token", data=CREDENTIALS).status_code == 200


def test_a_page_token_can_expire_and_the_first_page_cannot(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", page_rows=2)
    sandbox.fault("expired_page_token")
    token = ads.search(CAMPAIGNS)["nextPageToken"]
    assert code(ads.post(CAMPAIGNS, pageToken=token)) == (400, "requestError", "EXPIRED_PAGE_TOKEN")
    assert ads.search(CAMPAIGNS)["nextPageToken"] == token


# Transport.


def test_a_bad_gateway_is_html(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("html_502")
    for answer in (ads.post(CAMPAIGNS), ads.post(CAMPAIGNS, method="searchStream")):
        assert answer.status_code == 502
        assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("method", ["search", "searchStream"])
def test_a_slow_answer_outlasts_an_impatient_client(sandbox: RunningSandbox, ads: Ads, method: str) -> None:
    sandbox.fault("slow", seconds=0.4, times=2)
    url = f"{ads.base}/v26/customers/{BERLIN}/googleAds:{method}"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, headers=ads.headers, json={"query": CAMPAIGNS}, timeout=0.05)
    assert httpx.post(url, headers=ads.headers, json={"query": CAMPAIGNS}, timeout=30).status_code == 200


@pytest.mark.parametrize("method", ["search", "searchStream"])
def test_a_cut_connection_ends_in_the_middle_of_the_body(sandbox: RunningSandbox, ads: Ads, method: str) -> None:
    sandbox.fault("cut_connection", times=1)
    with pytest.raises(httpx.RemoteProtocolError, match=r"complete (message body|chunked read)"):
        ads.post(CAMPAIGNS, method=method)
    assert ads.post(CAMPAIGNS, method=method).status_code == 200


@pytest.mark.parametrize("method", ["search", "searchStream"])
def test_a_malformed_page_is_no_json(sandbox: RunningSandbox, ads: Ads, method: str) -> None:
    sandbox.fault("malformed_page", times=1)
    answer = ads.post(CAMPAIGNS, method=method)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("endpoint", ["token", "list_accessible_customers"])
def test_transport_fails_at_the_other_endpoints_too(sandbox: RunningSandbox, ads: Ads, endpoint: str) -> None:
    sandbox.fault("html_502", endpoint=endpoint)
    answers = {
        "token": httpx.post(f"{sandbox.google_url}/token", data=CREDENTIALS),
        "list_accessible_customers": ads.get("v26/customers:listAccessibleCustomers"),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 200) | {
        endpoint: 502
    }


# Pages.


@pytest.mark.parametrize("query", [CAMPAIGNS, DAILY, CAMPAIGNS + " ORDER BY campaign.id DESC"])
def test_empty_pages_with_a_next_lose_nothing(sandbox: RunningSandbox, ads: Ads, query: str) -> None:
    sandbox.limits("google_ads", page_rows=5)
    whole = list(ads.pages(query))
    sandbox.fault("empty_page_with_next")
    found = list(ads.pages(query))
    assert found == [page for full in whole for page in ([], full)]


@pytest.mark.parametrize("page_rows", [1, 4])
@pytest.mark.parametrize("query", [ADS, ADS + " LIMIT 11", ADS + " ORDER BY ad_group_ad.ad.id DESC"])
def test_duplicate_rows_repeat_the_last_row_of_a_page_and_lose_nothing(
    sandbox: RunningSandbox, ads: Ads, query: str, page_rows: int
) -> None:
    whole = ads.rows(query)
    sandbox.limits("google_ads", page_rows=page_rows)
    sandbox.fault("duplicate_rows")
    pages = list(ads.pages(query))
    assert pages[1][0] == pages[0][-1]
    found = [json.dumps(row) for page in pages for row in page]
    assert len(found) > len(whole)
    assert list(dict.fromkeys(found)) == [json.dumps(row) for row in whole]


def test_a_stream_may_bring_an_empty_piece_and_a_row_twice(sandbox: RunningSandbox, ads: Ads) -> None:
    whole = ads.rows(ADS)
    sandbox.limits("google_ads", page_rows=8)
    sandbox.fault("empty_page_with_next")
    sandbox.fault("duplicate_rows")
    pieces = ads.pieces(ADS)
    assert "results" not in pieces[0]
    rows = [row for piece in pieces[1:] for row in piece["results"]]
    assert len(rows) == len(whole) + 3
    assert rows[7] == rows[8] == whole[7]
    assert [row for number, row in enumerate(rows) if number == 0 or row != rows[number - 1]] == whole


def spoiled(ads: Ads, query: str, stream: bool) -> list[dict[str, Any]]:
    """The rows of one answer as they came: Google's types do not take them."""
    body = ads.post(query, method="searchStream" if stream else "search").json()
    (page,) = body if stream else [body]
    found: list[dict[str, Any]] = page["results"]
    with pytest.raises(json_format.ParseError):
        json_format.ParseDict({"results": found}, SearchGoogleAdsResponse.pb()(), ignore_unknown_fields=False)
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_field_is_in_every_row(sandbox: RunningSandbox, ads: Ads, stream: bool) -> None:
    whole = ads.rows(DAILY)
    sandbox.fault("unknown_field", endpoint="campaign_metrics")
    found = spoiled(ads, DAILY, stream)
    assert all(row.pop("fieldOfTomorrow") == {"value": "1"} for row in found)
    assert found == whole


@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_row_has_one_value_that_is_no_number(sandbox: RunningSandbox, ads: Ads, stream: bool) -> None:
    whole = ads.rows(DAILY)
    sandbox.fault("bad_row", times=1)
    found = spoiled(ads, DAILY, stream)
    assert found[0]["metrics"] == {**whole[0]["metrics"], "costMicros": "n/a"}
    assert found[1:] == whole[1:]


@pytest.mark.parametrize(
    ("stream", "way"),
    [
        ("customers", ["customer", "id"]),
        ("campaigns", ["campaignBudget", "amountMicros"]),
        ("ad_groups", ["adGroup", "cpcBidMicros"]),
        ("ads", ["adGroupAd", "ad", "id"]),
        ("conversion_actions", ["conversionAction", "clickThroughLookbackWindowDays"]),
        ("conversions_by_action", ["metrics", "conversions"]),
    ],
)
def test_each_stream_has_something_to_spoil(sandbox: RunningSandbox, ads: Ads, stream: str, way: list[str]) -> None:
    query = select(stream, between("2026-04-01", "2026-04-20") if stream == "conversions_by_action" else "")
    whole = ads.rows(query)
    sandbox.fault("bad_row", times=1)
    found = spoiled(ads, query, stream=False)
    spot: Any = found[0]
    for name in way:
        spot = spot[name]
    assert spot == "n/a"
    assert found[1:] == whole[1:]


def test_a_type_that_changed_makes_objects_of_a_figure(sandbox: RunningSandbox, ads: Ads) -> None:
    whole = ads.rows(DAILY)
    sandbox.fault("type_changed")
    found = spoiled(ads, DAILY, stream=False)
    assert [row["metrics"]["costMicros"] for row in found] == [{"value": row["metrics"]["costMicros"]} for row in whole]
    assert found[0]["metrics"]["clicks"] == whole[0]["metrics"]["clicks"]


def test_a_stream_can_fail_when_half_of_it_is_there(sandbox: RunningSandbox, ads: Ads) -> None:
    whole = ads.rows(ADS)
    sandbox.fault("stream_error_midway", times=1)
    assert ads.rows(ADS) == whole
    answer = ads.post(ADS, method="searchStream")
    assert answer.status_code == 200
    first, last = answer.json()
    assert first["results"] == whole[:15]
    assert last["error"]["status"] == "INTERNAL"
    assert last["error"]["details"][0]["errors"][0]["errorCode"] == {"internalError": "INTERNAL_ERROR"}
    assert [row for piece in ads.pieces(ADS) for row in piece["results"]] == whole


# How rules match.


def test_a_rule_strikes_only_the_customer_and_the_question_it_names(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("internal_error", account=BERLIN, endpoint="campaign_metrics")
    assert ads.post(DAILY).status_code == 500
    assert ads.post(CAMPAIGNS).status_code == 200
    assert ads.post(select("conversions_by_action", between("2026-04-01", "2026-04-02"))).status_code == 200
    assert ads.post(DAILY, LOS_ANGELES).status_code == 200


def test_several_rules_strike_one_call(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.fault("unknown_field")
    sandbox.fault("bad_row")
    row = spoiled(ads, DAILY, stream=False)[0]
    assert row["metrics"]["costMicros"] == "n/a"
    assert "fieldOfTomorrow" in row
