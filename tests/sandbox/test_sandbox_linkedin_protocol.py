"""LinkedIn's protocol by bare HTTP: headers, versions, Rest.li's way of writing, tunnels, paths."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkedin_api.clients.restli.utils.encoder import encode
from linkedin_client import VERSION, Rest, code, daily

from dataflow_assets.sandbox.linkedin_ads import restli
from dataflow_assets.sandbox.testing import RunningSandbox

SEARCH = "q=search&search=(status:(values:List(ACTIVE)),test:false)"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def rest(sandbox: RunningSandbox) -> Iterator[Rest]:
    with httpx.Client() as client:
        yield Rest(sandbox, client)


@pytest.fixture
def account(sandbox: RunningSandbox) -> int:
    return int(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])


# Rest.li 2.0.

texts = st.text(min_size=1, max_size=8)
values: st.SearchStrategy[Any] = st.recursive(
    texts, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@given(values)
def test_what_the_sdk_writes_is_read_as_it_was_meant(value: Any) -> None:
    assert restli.parse(encode(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("''", ""),
        ("List()", []),
        ("()", {}),
        ("List('',a)", ["", "a"]),
        ("(a:List((b:c)),d:'')", {"a": [{"b": "c"}], "d": ""}),
        ("List%28a%29", "List(a)"),
        ("urn%3Ali%3Aad%3A1", "urn:li:ad:1"),
        ("a%2520b", "a%20b"),
    ],
)
def test_a_value_is_taken_apart_before_it_is_decoded(text: str, value: Any) -> None:
    assert restli.parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("List(a", "(a)", "(a:b", "a:b", "a,b", "List(a,)", "List(,)", "(a:)", "(a:b,a:c)", "List(a))", "'a'", "(:a)"),
        *("urn:li:ad:1", "List(urn:li:ad:1)", "%ff", "List(" * 30 + ")" * 30),
    ],
)
def test_what_is_no_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Rest\.li|codec"):
        restli.parse(text)


@pytest.mark.parametrize(
    "search",
    [
        "(test:false,status:(values:List(ACTIVE,DRAFT)))",
        "(status:(values:List(ACTIVE)))",
        "(name:(values:List(Alma%20%26%20S%C3%B6hne%20US,Nordlicht%20DE)))",
        "()",
    ],
)
def test_the_order_of_keys_does_not_matter_and_text_may_hold_anything(rest: Rest, search: str) -> None:
    assert len(rest.get("adAccounts", f"q=search&search={search}").json()["elements"]) == 2


@pytest.mark.parametrize(
    "search",
    [
        "%28status%3A%28values%3AList%28ACTIVE%29%29%29",
        "(status%3A(values:List(ACTIVE)))",
        "(status:(values:List%28ACTIVE%29))",
        "(status:(values:ACTIVE))",
        "(status:List(ACTIVE))",
        "(status:(values:List(ACTIVE)",
        "(status:(values:List(SLEEPING)))",
        "(state:(values:List(ACTIVE)))",
        "(test:maybe)",
        "ACTIVE",
    ],
)
def test_a_search_that_is_written_or_meant_wrongly_is_refused(rest: Rest, search: str) -> None:
    answer = rest.get("adAccounts", f"q=search&search={search}")
    assert code(answer) == (400, "PARAM_INVALID")
    details = answer.json()["errorDetails"]["inputErrors"][0]
    assert details["input"]["inputPath"]["fieldPath"].startswith("search")
    assert answer.json()["errorDetailType"] == "com.linkedin.common.error.BadRequest"


def test_a_client_that_encodes_the_brackets_is_refused(rest: Rest, account: int) -> None:
    params = {"q": "search", "search": "(status:(values:List(ACTIVE)))"}
    answer = rest.client.get(f"{rest.base}/adAccounts", params=params, headers=rest.headers({}))
    assert code(answer) == (400, "PARAM_INVALID")


def test_a_urn_encoded_twice_is_refused(rest: Rest, account: int) -> None:
    query = daily(account)
    assert rest.get("adAnalytics", query).status_code == 200
    assert code(rest.get("adAnalytics", query.replace("%3A", "%253A"))) == (400, "PARAM_INVALID")


def test_members_of_enumerations_may_be_wrapped(rest: Rest, account: int) -> None:
    wrapped = daily(account, pivot="(value:CAMPAIGN)").replace("=DAILY", "=(value:DAILY)")
    assert rest.get("adAnalytics", wrapped).json() == rest.get("adAnalytics", daily(account)).json()


def test_the_older_protocol_cannot_read_structure(rest: Rest, account: int) -> None:
    without: dict[str, str | None] = {"X-Restli-Protocol-Version": None}
    assert code(rest.get("adAccounts", SEARCH, without)) == (400, "PARAM_INVALID")
    assert code(rest.get("adAccounts", SEARCH, {"X-Restli-Protocol-Version": "1.0.0"})) == (400, "PARAM_INVALID")
    assert rest.get("adAccounts", SEARCH, {"X-Restli-Protocol-Version": "3.0.0"}).status_code == 400
    assert rest.get(f"adAccounts/{account}", headers=without).json()["id"] == account
    assert code(rest.get("adAccounts", "q=search&search.status.values[0]=ACTIVE", without)) == (
        400,
        "QUERY_PARAM_NOT_ALLOWED",
    )


def test_a_parameter_that_is_not_known_or_given_twice_is_refused(rest: Rest) -> None:
    assert code(rest.get("adAccounts", "q=search&sorry=1")) == (400, "QUERY_PARAM_NOT_ALLOWED")
    assert code(rest.get("adAccounts", "q=search&q=search")) == (400, "PARAM_INVALID")
    assert code(rest.get("adAccounts", "q=search&start=0&count=10")) == (400, "QUERY_PARAM_NOT_ALLOWED")


# Tunnels and methods.


def tunnelled(rest: Rest, path: str, query: str, **headers: str | None) -> httpx.Response:
    usual = {"X-HTTP-Method-Override": "GET", "Content-Type": FORM, "X-RestLi-Method": "FINDER"}
    return rest.client.post(f"{rest.base}/{path}", content=query, headers=rest.headers({**usual, **headers}))


def test_a_query_may_be_tunnelled_and_has_to_be_when_it_is_long(
    rest: Rest, sandbox: RunningSandbox, account: int
) -> None:
    assert tunnelled(rest, "adAccounts", SEARCH).json() == rest.get("adAccounts", SEARCH).json()
    urn = f"urn%3Ali%3AsponsoredAccount%3A{account}"
    long = daily(account).replace(f"List({urn})", f"List({','.join([urn] * 100)})")
    assert rest.get("adAnalytics", long).status_code == 414
    assert tunnelled(rest, "adAnalytics", long).json() == rest.get("adAnalytics", daily(account)).json()
    sandbox.limits("linkedin_ads", longest_query=10)
    assert rest.get("adAccounts", SEARCH).status_code == 414


def test_anything_but_reading_is_refused(rest: Rest) -> None:
    assert tunnelled(rest, "adAccounts", SEARCH, **{"X-HTTP-Method-Override": None}).status_code == 405
    assert tunnelled(rest, "adAccounts", SEARCH, **{"Content-Type": "application/json"}).status_code == 415
    for method in ("PUT", "DELETE", "PATCH"):
        assert rest.client.request(method, f"{rest.base}/adAccounts", headers=rest.headers({})).status_code == 405


@pytest.mark.parametrize(
    ("path", "query", "method"),
    [
        ("adAccounts", "", None),
        ("adAccounts", "", "GET_ALL"),
        ("adAccounts", SEARCH, "BATCH_GET"),
        ("adAccounts", "ids=List(1)", "FINDER"),
        ("adAccounts/{account}", "", "FINDER"),
        ("adAccounts/{account}/creatives", "q=criteria", None),
        ("adAnalytics", "", None),
        ("conversions", "", None),
    ],
)
def test_header_and_parameters_have_to_mean_one_method(
    rest: Rest, account: int, path: str, query: str, method: str | None
) -> None:
    answer = rest.get(path.format(account=account), query, {"X-RestLi-Method": method})
    assert answer.status_code == 400
    assert "creatives needs" in answer.json()["message"] or "cannot be read" in answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "finder"),
    [
        ("adAccounts", "criteria"),
        ("adAccounts/{account}/adCampaigns", "account"),
        ("adAccounts/{account}/creatives", "search"),
        ("adAnalytics", "attributedRevenueMetrics"),
        ("conversions", "search"),
    ],
)
def test_a_finder_has_the_name_it_has(rest: Rest, account: int, path: str, finder: str) -> None:
    answer = rest.get(path.format(account=account), f"q={finder}", {"X-RestLi-Method": "FINDER"})
    assert code(answer) == (400, "PARAM_INVALID")


@pytest.mark.parametrize(
    "path", ["adCampaigns", "adAccounts/{account}/adAccounts", "adAccounts/{account}/creatives/1/2", "me", ""]
)
def test_an_address_that_is_not_there_is_404(rest: Rest, account: int, path: str) -> None:
    assert code(rest.get(path.format(account=account))) == (404, "RESOURCE_NOT_FOUND")
    assert rest.client.get(rest.base.replace("/rest", "/v2/me")).status_code == 404


# Versions.


def test_a_version_is_needed(rest: Rest) -> None:
    assert code(rest.get("adAccounts", SEARCH, {"LinkedIn-Version": None})) == (400, "VERSION_MISSING")


@pytest.mark.parametrize("version", ["202508", "202511", "202601", "202607.01", "202608"])
def test_versions_of_today_work(rest: Rest, version: str) -> None:
    assert rest.get("adAccounts", SEARCH, {"LinkedIn-Version": version}).status_code == 200


@pytest.mark.parametrize("version", ["202411", "202504", "202512", "202609", "202613"])
def test_other_versions_are_called_inactive_with_01_behind_them(rest: Rest, version: str) -> None:
    answer = rest.get("adAccounts", SEARCH, {"LinkedIn-Version": version})
    assert answer.status_code == 426
    assert answer.json() == {
        "status": 426,
        "code": "NONEXISTENT_VERSION",
        "message": f"Requested version {version}01 is not active",
    }


@pytest.mark.parametrize(("version", "gone"), [("202508", (2026, 8, 17)), ("202511", (2026, 11, 16))])
def test_a_version_is_switched_off_on_its_day(
    sandbox: RunningSandbox, rest: Rest, version: str, gone: tuple[int, int, int]
) -> None:
    sandbox.limits("linkedin_ads", refresh_token_days=1000)
    sandbox.clock.set(datetime(*gone, tzinfo=UTC) - timedelta(seconds=1))
    assert rest.get("adAccounts", SEARCH, {"LinkedIn-Version": version}).status_code == 200
    sandbox.clock.advance(1)
    assert rest.get("adAccounts", SEARCH, {"LinkedIn-Version": version}).status_code == 426
    assert rest.get("adAccounts", SEARCH).status_code == 200


def test_the_newest_version_can_be_chosen(sandbox: RunningSandbox, rest: Rest) -> None:
    sandbox.limits("linkedin_ads", newest_version="202611")
    assert rest.get("adAccounts", SEARCH, {"LinkedIn-Version": "202611"}).status_code == 200


# Whatever the answer.


def test_every_answer_can_be_traced_and_carries_world_time(sandbox: RunningSandbox, rest: Rest) -> None:
    sandbox.clock.set(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    answers = [
        rest.get("adAccounts", SEARCH),
        rest.get("adAccounts/404"),
        rest.get("adAccounts", headers={"Authorization": None}),
        rest.client.post(rest.base.replace("/rest", "/oauth/v2/accessToken")),
    ]
    assert [answer.status_code for answer in answers] == [200, 404, 401, 401]
    assert {answer.headers["date"] for answer in answers} == {"Wed, 04 Mar 2026 05:06:07 GMT"}
    assert len({answer.headers["x-li-uuid"] for answer in answers}) == 4
    assert len({answer.headers["x-li-request-id"] for answer in answers}) == 4
    assert {answer.headers["x-li-fabric"] for answer in answers} == {"sandbox"}


def test_requests_and_calls_are_counted(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    rest.get("adAccounts", SEARCH)
    rest.get(f"adAccounts/{account}")
    rest.get(f"adAccounts/{account}/adCampaigns", "ids=List(1,2)")
    rest.get(f"adAccounts/{account}/adCampaignGroups", "q=search")
    rest.get("adAnalytics", daily(account))
    rest.get("adAccounts", headers={"LinkedIn-Version": VERSION, "Authorization": None})
    counts = sandbox.requests()
    assert counts["by_vendor"] == {"linkedin_ads": 6}
    assert counts["by_endpoint"]["linkedin_ads"] == dict.fromkeys(
        ("ad_accounts", "entity", "batch_get", "campaign_groups", "analytics"), 1
    )
    assert counts["by_account"]["linkedin_ads"] == {str(account): 4}
