"""The Google Ads API by bare HTTP: tokens, headers, addresses, bodies, pages and streams."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from google_client import BERLIN, CREDENTIALS, LOS_ANGELES, Ads, between, code, failure, plain, select, signed_in

from dataflow_assets.sandbox.google_ads.ids import CANCELED_ID, MANAGER_ID
from dataflow_assets.sandbox.testing import RunningSandbox

CAMPAIGNS = "SELECT campaign.id FROM campaign"
ADS = "SELECT ad_group_ad.ad.id FROM ad_group_ad"


@pytest.fixture
def ads(sandbox: RunningSandbox) -> Iterator[Ads]:
    with signed_in(sandbox) as client:
        yield client


# Tokens.


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"grant_type": None}, (400, "invalid_request")),
        ({"grant_type": "authorization_code"}, (400, "unsupported_grant_type")),
        ({"client_id": "other"}, (401, "invalid_client")),
        ({"client_secret": "other"}, (401, "invalid_client")),
        ({"refresh_token": None}, (400, "invalid_request")),
        ({"refresh_token": "other"}, (400, "invalid_grant")),
    ],
)
def test_the_token_endpoint_takes_the_sandboxs_credentials_alone(
    sandbox: RunningSandbox, change: dict[str, str | None], expected: tuple[int, str]
) -> None:
    form = {name: value for name, value in (CREDENTIALS | change).items() if value is not None}
    answer = httpx.post(f"{sandbox.google_url}/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == expected
    assert answer.json().keys() == {"error", "error_description"}


def test_a_token_lives_3599_seconds_of_world_time(sandbox: RunningSandbox, ads: Ads) -> None:
    body = httpx.post(f"{sandbox.google_url}/token", data=CREDENTIALS).json()
    assert body.pop("access_token").startswith("ya29.sandbox-")
    assert body == {
        "expires_in": 3599,
        "scope": "https://www.googleapis.com/auth/adwords",
        "token_type": "Bearer",
    }
    sandbox.clock.advance(3598)
    assert ads.post(CAMPAIGNS).status_code == 200
    sandbox.clock.advance(1)
    assert code(ads.post(CAMPAIGNS)) == (401, "authenticationError", "OAUTH_TOKEN_EXPIRED")
    ads.sign_in()
    assert ads.post(CAMPAIGNS).status_code == 200


def test_the_life_of_tokens_can_be_set(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", access_token_seconds=60)
    ads.sign_in()
    sandbox.clock.advance(60)
    assert code(ads.post(CAMPAIGNS))[2] == "OAUTH_TOKEN_EXPIRED"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, "OAUTH_TOKEN_HEADER_INVALID"),
        ("Basic c2FuZGJveA==", "OAUTH_TOKEN_HEADER_INVALID"),
        ("Bearer", "OAUTH_TOKEN_HEADER_INVALID"),
        ("Bearer ya29.sandbox-9999999999-0000000000000000", "OAUTH_TOKEN_INVALID"),
        ("Bearer ya29.other", "OAUTH_TOKEN_INVALID"),
    ],
)
def test_a_token_that_was_never_issued_is_refused(ads: Ads, header: str | None, expected: str) -> None:
    del ads.headers["authorization"]
    ads.headers |= {"authorization": header} if header is not None else {}
    assert code(ads.post(CAMPAIGNS)) == (401, "authenticationError", expected)
    assert code(ads.get("v26/customers:listAccessibleCustomers")) == (401, "authenticationError", expected)


# Who may read whom.


@pytest.mark.parametrize(
    ("login", "customer", "expected"),
    [
        (MANAGER_ID, MANAGER_ID, 200),
        (MANAGER_ID, BERLIN, 200),
        (MANAGER_ID, LOS_ANGELES, 200),
        (None, MANAGER_ID, 200),
        (None, BERLIN, 200),
        (BERLIN, BERLIN, 200),
        (None, LOS_ANGELES, (403, "authorizationError", "USER_PERMISSION_DENIED")),
        (LOS_ANGELES, LOS_ANGELES, (403, "authorizationError", "USER_PERMISSION_DENIED")),
        (BERLIN, LOS_ANGELES, (403, "authorizationError", "USER_PERMISSION_DENIED")),
        (BERLIN, MANAGER_ID, (403, "authorizationError", "USER_PERMISSION_DENIED")),
        ("1234567890", BERLIN, (403, "authorizationError", "USER_PERMISSION_DENIED")),
        (MANAGER_ID, "1234567890", (403, "authorizationError", "USER_PERMISSION_DENIED")),
        (MANAGER_ID, CANCELED_ID, (403, "authorizationError", "CUSTOMER_NOT_ENABLED")),
        ("271-828-1828", BERLIN, (400, "headerError", "INVALID_LOGIN_CUSTOMER_ID")),
        (MANAGER_ID, "310-000-0013", (401, "authenticationError", "CLIENT_CUSTOMER_ID_INVALID")),
    ],
)
def test_a_client_is_reached_by_itself_or_through_its_manager(
    ads: Ads, login: str | None, customer: str, expected: object
) -> None:
    del ads.headers["login-customer-id"]
    ads.headers |= {"login-customer-id": login} if login else {}
    answer = ads.post("SELECT customer.id FROM customer", customer)
    assert (200 if expected == 200 else code(answer)) == expected
    if answer.status_code == 200:
        assert answer.json()["results"][0]["customer"]["id"] == customer


def test_the_manager_lists_itself_its_clients_and_the_one_that_is_closed(sandbox: RunningSandbox, ads: Ads) -> None:
    query = (
        "SELECT customer_client.client_customer, customer_client.id, customer_client.level, customer_client.manager, "
        "customer_client.hidden, customer_client.currency_code, customer_client.time_zone, customer_client.status "
        "FROM customer_client"
    )
    rows = [row["customerClient"] for row in ads.rows(query, MANAGER_ID)]
    clients = [row["customer"] for row in sandbox.truth("google_ads", "customers")]
    assert [row["id"] for row in rows] == [MANAGER_ID, *(one["id"] for one in clients), CANCELED_ID]
    assert [row["level"] for row in rows] == ["0", *["1"] * (len(rows) - 1)]
    assert [row["manager"] for row in rows] == [True, *[False] * (len(rows) - 1)]
    assert [(row["hidden"], row["status"]) for row in rows[-2:]] == [(False, "ENABLED"), (True, "CANCELED")]
    places = {(row["currencyCode"], row["timeZone"]) for row in rows[1:-1]}
    assert places == {("EUR", "Europe/Berlin"), ("USD", "America/Los_Angeles"), ("JPY", "Asia/Tokyo")}
    assert rows[1]["resourceName"] == f"customers/{MANAGER_ID}/customerClients/{BERLIN}"
    assert [row["customerClient"]["id"] for row in ads.rows(query, BERLIN)] == [BERLIN]


def test_the_developer_token_is_ignored(ads: Ads) -> None:
    ads.headers["developer-token"] = "no such token"
    assert ads.post(CAMPAIGNS).status_code == 200


# Addresses and bodies.


@pytest.mark.parametrize("version", ["v23", "v24", "v25", "v26"])
def test_a_live_version_answers_and_fails_in_its_own_types(ads: Ads, version: str) -> None:
    assert ads.post(CAMPAIGNS, version=version).status_code == 200
    details = ads.post("SELECT", version=version).json()["error"]["details"][0]
    assert details["@type"] == f"type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure"


def test_a_version_that_was_sunset_says_so(ads: Ads) -> None:
    error = ads.post(CAMPAIGNS, version="v22").json()["error"]
    assert error["code"] == 400
    assert error["details"][0]["errors"][0]["errorCode"] == {"requestError": "UNSUPPORTED_VERSION"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"v27/customers/{BERLIN}/googleAds:search"),
        ("GET", f"v26/customers/{BERLIN}/googleAds:search"),
        ("POST", f"v26/customers/{BERLIN}/googleAds:mutate"),
        ("POST", "v26/customers:listAccessibleCustomers"),
        ("GET", "v26/customers"),
        ("GET", "token"),
        ("POST", ""),
    ],
)
def test_an_unknown_address_is_a_page_for_people(ads: Ads, method: str, path: str) -> None:
    answer = ads.http.request(method, f"{ads.base}/{path}", headers=ads.headers)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_the_colon_of_a_method_may_be_escaped(ads: Ads) -> None:
    url = f"{ads.base}/v26/customers/{BERLIN}/googleAds%3Asearch"
    assert ads.http.post(url, headers=ads.headers, json={"query": CAMPAIGNS}).status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"query": 1}', b'{"query": "x", "nope": 1}', b'{"searchSettings": 1}'])
def test_a_body_that_is_no_request_is_refused_by_the_front_end(ads: Ads, body: bytes) -> None:
    url = f"{ads.base}/v26/customers/{BERLIN}/googleAds:search"
    answer = ads.http.post(url, headers=ads.headers, content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["status"]) == (400, "INVALID_ARGUMENT")
    assert error["message"].startswith("Invalid JSON payload received.")
    assert [detail["@type"] for detail in error["details"]] == ["type.googleapis.com/google.rpc.BadRequest"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"pageSize": 500}, "PAGE_SIZE_NOT_SUPPORTED"),
        ({"page_size": "10000"}, "PAGE_SIZE_NOT_SUPPORTED"),
        ({"query": " "}, "REQUIRED_FIELD_MISSING"),
        ({"validateOnly": True, "pageToken": "x"}, "VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN"),
        ({"pageToken": "x"}, "INVALID_PAGE_TOKEN"),
    ],
)
def test_a_request_that_asks_too_much_is_refused(ads: Ads, body: dict[str, object], expected: str) -> None:
    assert code(ads.post(**({"query": CAMPAIGNS} | body))) == (400, "requestError", expected)


def test_summary_rows_are_refused_and_not_left_out_silently(ads: Ads) -> None:
    asked = ads.post(CAMPAIGNS, searchSettings={"returnSummaryRow": True})
    streamed = ads.post(CAMPAIGNS, method="searchStream", summaryRowSetting="SUMMARY_ROW_WITH_RESULTS")
    assert code(asked) == code(streamed) == (400, "queryError", "QUERY_ERROR")
    plain_stream = ads.post(CAMPAIGNS, method="searchStream", summaryRowSetting="NO_SUMMARY_ROW")
    assert plain_stream.status_code == 200


def test_a_query_can_be_validated_without_rows(ads: Ads) -> None:
    assert ads.search(CAMPAIGNS, validateOnly=True) == {}
    assert code(ads.post("SELECT campaign.nme FROM campaign", validateOnly=True))[2] == "UNRECOGNIZED_FIELD"


# Pages and streams.


def test_pages_have_a_fixed_size_and_the_last_one_has_no_token(sandbox: RunningSandbox, ads: Ads) -> None:
    whole = ads.search(ADS)
    assert "nextPageToken" not in whole
    sandbox.limits("google_ads", page_rows=8)
    pages = list(ads.pages(ADS))
    assert [len(page) for page in pages] == [8, 8, 8, 6]
    assert [row for page in pages for row in page] == whole["results"]
    sandbox.limits("google_ads", page_rows=30)
    assert "nextPageToken" not in ads.search(ADS)


def test_a_page_token_belongs_to_its_query_and_customer(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", page_rows=2)
    token = ads.search(CAMPAIGNS)["nextPageToken"]
    invalid = (400, "requestError", "INVALID_PAGE_TOKEN")
    assert code(ads.post(CAMPAIGNS + " ", pageToken=token)) == invalid
    assert code(ads.post(CAMPAIGNS, LOS_ANGELES, pageToken=token)) == invalid
    assert code(ads.post(CAMPAIGNS, pageToken=token[:-2])) == invalid
    assert len(ads.search(CAMPAIGNS, pageToken=token)["results"]) == 2


def test_a_page_token_grows_old(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", page_rows=2, page_token_seconds=600)
    token = ads.search(CAMPAIGNS)["nextPageToken"]
    sandbox.clock.advance(600)
    assert "results" in ads.search(CAMPAIGNS, pageToken=token)
    sandbox.clock.advance(1)
    assert code(ads.post(CAMPAIGNS, pageToken=token)) == (400, "requestError", "EXPIRED_PAGE_TOKEN")


@pytest.mark.parametrize("order", ["", " ORDER BY metrics.cost_micros DESC, segments.date"])
def test_all_pages_show_what_was_known_with_the_first(sandbox: RunningSandbox, ads: Ads, order: str) -> None:
    query = select("campaign_performance", between("2026-04-20", "2026-05-01") + order)
    before = ads.rows(query)
    sandbox.limits("google_ads", page_rows=5, access_token_seconds=100_000)
    ads.sign_in()
    found = []
    for page in ads.pages(query):
        found += page
        sandbox.clock.advance(3600)
    assert found == before
    assert ads.rows(query) != before


def test_a_limit_holds_across_pages(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", page_rows=4)
    whole = ads.rows(ADS)
    assert [len(page) for page in ads.pages(ADS + " LIMIT 10")] == [4, 4, 2]
    assert [len(page) for page in ads.pages(ADS + " LIMIT 8")] == [4, 4]
    assert ads.rows(ADS + " LIMIT 10") == whole[:10]
    ordered = ads.rows(ADS + " ORDER BY ad_group_ad.ad.id DESC LIMIT 10")
    assert ordered == whole[:-11:-1]
    streamed = [row for piece in ads.pieces(ADS + " LIMIT 10") for row in piece["results"]]
    assert streamed == whole[:10]


def test_the_number_of_all_results_ignores_the_limit_and_has_to_be_asked_for_at_first(
    sandbox: RunningSandbox, ads: Ads
) -> None:
    sandbox.limits("google_ads", page_rows=4)
    counted = {"searchSettings": {"returnTotalResultsCount": True}}
    query = ADS + " LIMIT 9"
    first = ads.search(query, **counted)
    assert first["totalResultsCount"] == "30"
    second = ads.search(query, pageToken=first["nextPageToken"], **counted)
    assert second["totalResultsCount"] == "30"
    uncounted = ads.search(query)["nextPageToken"]
    refused = ads.post(query, pageToken=uncounted, **counted)
    assert code(refused)[2] == "TOTAL_RESULTS_COUNT_NOT_ORIGINALLY_REQUESTED"
    without = ads.search(query, searchSettings={"returnTotalResultsCount": True, "omitResults": True})
    assert without == {"fieldMask": "adGroupAd.ad.id", "totalResultsCount": "30"}


def test_a_stream_is_an_array_of_pieces_with_the_same_rows(sandbox: RunningSandbox, ads: Ads) -> None:
    whole = ads.rows(ADS)
    sandbox.limits("google_ads", page_rows=8)
    pieces = ads.pieces(ADS)
    assert [len(piece["results"]) for piece in pieces] == [8, 8, 8, 6]
    assert [row for piece in pieces for row in piece["results"]] == whole
    assert {piece["fieldMask"] for piece in pieces} == {"adGroupAd.ad.id"}
    assert len({piece["requestId"] for piece in pieces}) == 1
    assert ["queryResourceConsumption" in piece for piece in pieces] == [False, False, False, True]


def test_an_empty_answer_has_no_rows_at_all(ads: Ads) -> None:
    nothing = CAMPAIGNS + " WHERE campaign.id = 1"
    body = ads.search(nothing, searchSettings={"returnTotalResultsCount": True})
    assert body == {"fieldMask": "campaign.id", "queryResourceConsumption": "1"}
    (piece,) = ads.pieces(nothing)
    assert "results" not in piece


def test_a_stream_fails_in_an_array_too(ads: Ads) -> None:
    answer = ads.post("SELECT campaign.nme FROM campaign", method="searchStream")
    assert isinstance(answer.json(), list)
    assert code(answer) == (400, "queryError", "UNRECOGNIZED_FIELD")
    assert "campaign.nme" in failure(answer)[0]["message"]


def test_resource_names_come_with_what_is_selected_unless_omitted(ads: Ads) -> None:
    query = "SELECT ad_group_ad.ad.type, campaign.status FROM ad_group_ad LIMIT 1"
    (row,) = ads.rows(query)
    names = {
        "adGroupAd": row["adGroupAd"]["resourceName"].split("/")[2],
        "ad": row["adGroupAd"]["ad"]["resourceName"].split("/")[2],
        "campaign": row["campaign"]["resourceName"].split("/")[2],
    }
    assert row.keys() == {"adGroupAd", "campaign"}
    assert names == {"adGroupAd": "adGroupAds", "ad": "ads", "campaign": "campaigns"}
    (omitted,) = ads.rows(query + " PARAMETERS omit_unselected_resource_names = true")
    assert [omitted] == plain([row])
    (named,) = ads.rows(
        "SELECT ad_group_ad.resource_name FROM ad_group_ad LIMIT 1 PARAMETERS omit_unselected_resource_names=true"
    )
    assert named == {"adGroupAd": {"resourceName": row["adGroupAd"]["resourceName"]}}


def test_every_answer_carries_world_time_and_a_request_id(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.clock.set(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    ads.sign_in()
    answers = [ads.post(CAMPAIGNS), ads.post("SELECT"), ads.get("v26/customers:listAccessibleCustomers")]
    assert {answer.headers["date"] for answer in answers} == {"Wed, 04 Mar 2026 05:06:07 GMT"}
    assert len({answer.headers["request-id"] for answer in answers}) == 3


def test_a_thing_is_not_there_before_it_is_created(sandbox: RunningSandbox, ads: Ads) -> None:
    query = "SELECT campaign.id, campaign.start_date_time FROM campaign ORDER BY campaign.start_date_time DESC LIMIT 1"
    (newest,) = ads.rows(query)
    start = datetime.fromisoformat(newest["campaign"]["startDateTime"]).replace(tzinfo=UTC)
    sandbox.clock.set(start - timedelta(hours=12))
    ads.sign_in()
    assert len(ads.rows(CAMPAIGNS)) == 5
    sandbox.clock.set(start + timedelta(hours=24))
    ads.sign_in()
    assert newest["campaign"]["id"] in [row["campaign"]["id"] for row in ads.rows(CAMPAIGNS)]


def test_calls_are_counted_by_what_they_ask_for(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", page_rows=4)
    sandbox.reset_requests()
    ads.accessible()
    ads.rows(CAMPAIGNS)
    ads.rows("SELECT customer.id FROM customer", LOS_ANGELES)
    ads.pieces(select("ad_performance", between("2026-04-01", "2026-04-03")))
    ads.pieces(select("conversions_by_action", between("2026-04-01", "2026-04-03")))
    ads.post("SELECT")
    ads.sign_in()
    counts: Any = sandbox.requests()
    assert counts["by_endpoint"]["google_ads"] == {
        "list_accessible_customers": 1,
        "campaign": 2,
        "customer": 1,
        "ad_group_ad_metrics": 1,
        "campaign_conversions": 1,
        "search": 1,
        "token": 1,
    }
    assert counts["by_account"]["google_ads"] == {BERLIN: 5, LOS_ANGELES: 1}
    assert counts["by_vendor"]["google_ads"] == 8
