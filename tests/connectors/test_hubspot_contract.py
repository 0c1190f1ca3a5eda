"""What HubSpot is declared to have, and what the connector makes of its answers. Facts: `apis/hubspot.md`, 1 and 3."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from dataflow_assets.connectors.hubspot import CONNECTOR, answers
from dataflow_assets.connectors.hubspot.answers import classify, usage
from dataflow_assets.connectors.hubspot.api import PATHS, api, path_of
from dataflow_assets.connectors.hubspot.streams import LATE, LINKS, OBJECTS
from dataflow_assets.connectors.hubspot.values import decimal, moment, truth
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, Unauthorized, VendorError
from dataflow_assets.resources.http import Reply
from dataflow_assets.settings import HubSpotSettings, Settings

PORTAL = "44556677"
HTML = "<html><body>Bad gateway</body></html>"


def reply(
    body: str | bytes | Mapping[str, Any], status: int = 400, headers: Mapping[str, str] | None = None, path: str = ""
) -> Reply:
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    return Reply(status, httpx.Headers(headers or {}), raw, PORTAL, path)


def error(**fields: Any) -> dict[str, Any]:
    return {"status": "error", "message": "It went wrong", "correlationId": "5e2f3c9a", **fields}


def limited(policy: str) -> dict[str, Any]:
    return error(errorType="RATE_LIMIT", policyName=policy, requestId="c6b1a0de")


# ------------------------------------------------------------------ answers: law 8


@pytest.mark.parametrize(
    ("body", "status", "kind", "scope"),
    [
        (error(category="INVALID_AUTHENTICATION"), 401, Unauthorized, "account"),
        (error(category="EXPIRED_AUTHENTICATION"), 401, Unauthorized, "account"),
        (error(category="MISSING_SCOPES"), 403, Fatal, "account"),
        (error(category="VALIDATION_ERROR"), 400, Fatal, "account"),
        (error(category="OBJECT_NOT_FOUND"), 404, Fatal, "account"),
        (error(category="CONFLICT"), 409, Fatal, "account"),
        (limited("DAILY"), 429, Throttled, "account"),
        (limited("TEN_SECONDLY_ROLLING"), 429, Throttled, "endpoint"),
        (limited("SECONDLY"), 429, Throttled, "endpoint"),
        (error(category="RATE_LIMITS"), 429, Throttled, "endpoint"),
        (error(errorType="RATE_LIMIT"), 429, Throttled, "endpoint"),
    ],
)
def test_law_8_the_body_decides_whatever_the_http_status(
    body: dict[str, Any], status: int, kind: type[VendorError], scope: str
) -> None:
    for told in (status, 200, 207, 400, 403, 423, 429, 477, 500):
        failure = classify(reply(body, told))
        assert type(failure) is kind, told
        assert getattr(failure, "scope", None) == scope
        assert failure.account == PORTAL
        assert "It went wrong (correlation 5e2f3c9a)." in str(failure)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Fatal),
        (401, Unauthorized),
        (403, Fatal),
        (404, Fatal),
        (405, Fatal),
        (408, Retryable),
        (414, Fatal),
        (415, Fatal),
        (423, Throttled),
        (429, Throttled),
        (477, Throttled),
        *[(status, Retryable) for status in (500, 502, 503, 504, 521, 522, 523, 524)],
        (530, Unauthorized),
    ],
)
@pytest.mark.parametrize("body", [HTML, "", "{}", "null", '"text"', '{"status": "error"}', '{"status": "error", "mes'])
def test_law_8_the_http_status_decides_where_the_body_says_nothing(
    body: str, status: int, kind: type[VendorError]
) -> None:
    failure = classify(reply(body, status))
    assert type(failure) is kind
    assert getattr(failure, "scope", "account") in {"account", "endpoint"}, "Another portal has another token."


@pytest.mark.parametrize("body", [HTML, "", "[]", '{"results": [{"id": "1"}, {"id', "null", b'{"status": "\xff"}'])
def test_law_8_a_good_status_with_something_else_than_json_is_tried_again(body: str | bytes) -> None:
    assert type(classify(reply(body, 200))) is Retryable


@pytest.mark.parametrize(
    "body",
    [
        {"results": []},
        {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [error(category="OBJECT_NOT_FOUND")]},
        {"portalId": 1},
    ],
)
def test_law_8_a_good_answer_is_good(body: dict[str, Any]) -> None:
    assert classify(reply(body, 200)) is None
    assert classify(reply(body, 207)) is None


@pytest.mark.parametrize("name", ["message", "correlationId", "errorType", "policyName", "errors", "context"])
def test_law_8_an_error_with_a_null_in_it_keeps_its_kind(name: str) -> None:
    assert type(classify(reply({**error(category="EXPIRED_AUTHENTICATION"), name: None}, 401))) is Unauthorized


def test_an_unknown_trouble_inside_a_good_status_is_tried_again() -> None:
    assert type(classify(reply(error(category="SOMETHING_NEW"), 207))) is Retryable
    assert type(classify(reply(error(category="SOMETHING_NEW"), 400))) is Fatal
    assert type(classify(reply(error(category="SOMETHING_NEW"), 500))) is Retryable


def test_missing_scopes_are_named() -> None:
    named = {"requiredGranularScopes": ["crm.objects.deals.read"]}
    inner = {"message": "One of these is needed", "context": named}
    for body in (error(category="MISSING_SCOPES", errors=[inner]), error(category="MISSING_SCOPES", context=named)):
        told = str(classify(reply(body, 403)))
        assert "crm.objects.deals.read" in told
        assert "crm.objects.contacts.read" not in told
    untold = classify(reply(error(category="MISSING_SCOPES"), 403))
    for scope in ("contacts", "companies", "deals", "owners"):
        assert f"crm.objects.{scope}.read" in str(untold)


def test_law_13_a_message_that_repeats_a_secret_is_masked() -> None:
    failure = classify(reply(error(message="the token pat-eu1-secret is bad"), 401), secrets=("pat-eu1-secret",))
    assert "pat-eu1-secret" not in str(failure)


# ------------------------------------------------------------------ waits: laws 7 and 8

NOON = "Tue, 24 Nov 2026 12:00:00 GMT"


@pytest.fixture
def zone() -> Iterator[None]:
    """The portal's zone is known: Berlin, an hour before UTC."""
    answers.zones[PORTAL] = ZoneInfo("Europe/Berlin")
    yield
    del answers.zones[PORTAL]


def wait(body: Any, status: int = 429, **headers: str) -> float:
    failure = classify(reply(body, status, {name.replace("_", "-"): value for name, value in headers.items()}))
    assert isinstance(failure, Throttled)
    return failure.wait_seconds


def test_the_daily_limit_is_waited_for_until_midnight_of_the_portal(zone: None) -> None:
    assert wait(limited("DAILY"), date=NOON) == 11 * 3_600
    assert wait(limited("DAILY"), date=NOON, retry_after="5") == 11 * 3_600


@pytest.mark.parametrize(
    ("told", "local_midnight"),
    [("Sat, 24 Oct 2026 22:30:00 GMT", 24.5), ("Sat, 28 Mar 2026 23:30:00 GMT", 22.5)],
)
def test_a_day_of_23_or_25_hours_is_waited_for_as_long_as_it_is(zone: None, told: str, local_midnight: float) -> None:
    assert wait(limited("DAILY"), date=told) == local_midnight * 3_600


def test_without_a_known_zone_the_daily_limit_waits_as_told_or_an_hour() -> None:
    assert wait(limited("DAILY"), date=NOON, retry_after="1800") == 1_800
    assert wait(limited("DAILY"), date=NOON) == 3_600


@pytest.mark.parametrize(
    ("body", "status", "untold", "told"),
    [
        (limited("TEN_SECONDLY_ROLLING"), 429, 10, 7),
        (limited("SECONDLY"), 429, 1, 7),
        (limited("A_NEW_POLICY"), 429, 10, 7),
        (HTML, 429, 10, 7),
        (error(), 423, 5, 7),
        (HTML, 477, 3_600, 7),
    ],
)
def test_a_told_wait_is_kept_and_an_untold_one_is_known(body: Any, status: int, untold: float, told: float) -> None:
    assert wait(body, status, retry_after=f"{told}") == told
    for unusable in ("", "soon", "0", "Wed, 21 Oct 2026 07:28:00 GMT"):
        assert wait(body, status, retry_after=unusable) == untold


def test_no_wait_is_longer_than_a_day_or_shorter_than_a_lock_takes() -> None:
    assert wait(HTML, 477, retry_after="86400") == 86_400
    assert wait(HTML, 477, retry_after="999999") == 86_400
    assert wait(error(), 423, retry_after="1") == 2


# ------------------------------------------------------------------ budgets: law 7

HEADERS = {
    "X-HubSpot-RateLimit-Daily": "250000",
    "X-HubSpot-RateLimit-Daily-Remaining": "50000",
    "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    "X-HubSpot-RateLimit-Max": "100",
    "X-HubSpot-RateLimit-Remaining": "95",
}


def test_law_7_the_larger_share_of_the_two_limits_slows_down() -> None:
    path = path_of("2026-09", "list", kind="deals")
    assert usage(reply("{}", 200, HEADERS, path)) == {"endpoint": pytest.approx(0.8)}
    busy = {**HEADERS, "X-HubSpot-RateLimit-Remaining": "10"}
    assert usage(reply("{}", 200, busy, path)) == {"endpoint": pytest.approx(0.9)}


def test_law_7_a_search_is_not_slowed_down_by_a_limit_it_does_not_count_against() -> None:
    busy = {**HEADERS, "X-HubSpot-RateLimit-Remaining": "0"}
    assert usage(reply("{}", 200, busy, path_of("v3", "search", kind="deals"))) == {"endpoint": pytest.approx(0.8)}


def test_law_7_an_app_without_a_daily_limit_is_told_of_the_ten_seconds_alone() -> None:
    told = {name: value for name, value in HEADERS.items() if "Daily" not in name}
    assert usage(reply("{}", 200, told)) == {"endpoint": pytest.approx(0.05)}
    # A share of 0 would lift the caution that the answer before it asked for.
    assert usage(reply("{}", 200)) == {}


@pytest.mark.parametrize("garbled", ["", "many", "0", "null"])
def test_law_7_a_garbled_header_is_no_answer_lost(garbled: str) -> None:
    told = dict.fromkeys(HEADERS, garbled)
    assert usage(reply("{}", 200, told)) == {}


def settings(**changes: Any) -> Settings:
    return Settings(hubspot=HubSpotSettings(**{"access_token": SecretStr("pat-1"), **changes}))


@pytest.mark.parametrize("version", ["v3", "2026-09"])
def test_law_7_a_search_counts_by_the_second_and_all_else_by_ten(version: str) -> None:
    limits = api(settings(requests_per_ten_seconds=80, searches_per_second=3, requests_per_day=1_000)).limits
    search = limits(PORTAL, path_of(version, "search", kind="deals"))
    other = [limits(PORTAL, path_of(version, what, kind="deals", to="contacts")) for what in PATHS if what != "search"]
    assert (search["endpoint"].requests, search["endpoint"].seconds) == (3, 1)
    assert {(one["endpoint"].requests + one["endpoint"].burst, one["endpoint"].seconds) for one in other} == {(80, 10)}
    assert search["endpoint"].key not in {one["endpoint"].key for one in other}
    # Both count against the day, which holds no more than was set.
    assert {one["account"] for one in other} == {search["account"]}
    assert search["account"].requests + search["account"].burst == 1_000
    assert search["account"].seconds == 86_400


def test_law_9_each_portal_has_budgets_of_its_own() -> None:
    limits = api(settings(access_token=SecretStr("pat-1,pat-2"))).limits
    path = path_of("v3", "list", kind="deals")
    one, two = limits("1", path), limits("2", path)
    assert not {one[scope].key for scope in ("account", "endpoint")} & {two[s].key for s in ("account", "endpoint")}
    assert set(limits(None, path)) == {"vendor"}
    assert one["vendor"].requests == 2 * one["endpoint"].requests


# ------------------------------------------------------------------ credentials and paths


def test_every_token_is_a_credential() -> None:
    auths = api(settings(access_token=SecretStr("pat-1, pat-2,pat-3"))).auths
    sent = [asyncio.run(auth.headers(httpx.AsyncClient()))["Authorization"] for auth in auths]
    assert sent == ["Bearer pat-1", "Bearer pat-2", "Bearer pat-3"]


@pytest.mark.parametrize(("version", "path"), [("2026-09", "/oauth/2026-03/token"), ("v3", "/oauth/v1/token")])
def test_every_refresh_token_fetches_tokens_of_its_own(version: str, path: str) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def token_endpoint(request: httpx.Request) -> httpx.Response:
        form = dict(httpx.QueryParams(request.content.decode()))
        asked.append((request.url.path, form))
        return httpx.Response(200, json={"access_token": f"for {form['refresh_token']}", "expires_in": 1_800})

    hubspot = api(
        settings(
            access_token=None,
            refresh_token=SecretStr(f"r1-{version},r2-{version}"),
            client_id="app",
            client_secret=SecretStr("shh"),
            api_version=version,
        )
    )

    async def go() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(token_endpoint)) as http:
            return [(await auth.headers(http))["Authorization"] for auth in hubspot.auths]

    assert asyncio.run(go()) == [f"Bearer for r1-{version}", f"Bearer for r2-{version}"]
    form = {"grant_type": "refresh_token", "client_id": "app", "client_secret": "shh"}
    assert asked == [(path, {**form, "refresh_token": f"r{n}-{version}"}) for n in (1, 2)]


def test_law_13_the_description_of_the_api_does_not_show_its_secrets() -> None:
    secrets = ("pat-1", "pat-2", "shh", "r1")
    given = settings(
        access_token=SecretStr("pat-1,pat-2"), client_secret=SecretStr("shh"), refresh_token=SecretStr("r1")
    )
    shown = repr(api(given)) + repr(given)
    refreshing = settings(access_token=None, client_secret=SecretStr("shh"), refresh_token=SecretStr("r1"))
    shown += repr(api(refreshing)) + repr(api(refreshing).auths)
    assert not [secret for secret in secrets if secret in shown]


def test_both_families_of_paths_are_written_as_hubspot_has_them() -> None:
    names = {"kind": "deals", "to": "contacts"}
    assert {what: path_of("2026-09", what, **names) for what in PATHS} == {
        "list": "crm/objects/2026-09/deals",
        "search": "crm/objects/2026-09/deals/search",
        "read": "crm/objects/2026-09/deals/batch/read",
        "links": "crm/associations/2026-09/deals/contacts/batch/read",
        "owners": "crm/owners/2026-09",
        "pipelines": "crm/pipelines/2026-09/deals",
        "account": "account-info/v3/details",
        "token": "oauth/2026-03/token",
    }
    assert {what: path_of("v3", what, **names) for what in PATHS} == {
        "list": "crm/v3/objects/deals",
        "search": "crm/v3/objects/deals/search",
        "read": "crm/v3/objects/deals/batch/read",
        "links": "crm/v4/associations/deals/contacts/batch/read",
        "owners": "crm/v3/owners",
        "pipelines": "crm/v3/pipelines/deals",
        "account": "account-info/v3/details",
        "token": "oauth/v1/token",
    }


def test_the_end_of_each_known_version_is_told() -> None:
    default = CONNECTOR.version(Settings())
    assert default == "2026-09"
    assert CONNECTOR.version_ends[default] > CONNECTOR.version_ends["v3"] == date(2027, 3, 30)


# ------------------------------------------------------------------ the declaration


def test_each_kind_is_followed_by_its_own_time_of_change() -> None:
    # On contacts hs_lastmodifieddate is accepted and finds the wrong records.
    expected = {"contacts": "lastmodifieddate", "companies": "hs_lastmodifieddate", "deals": "hs_lastmodifieddate"}
    for stream in OBJECTS:
        (column,) = [column for column in stream.columns if column.name == stream.cursor]
        assert column.source_path == ("properties", expected[stream.name])
        assert stream.params["cursor"] == expected[stream.name]
    for stream in (*LINKS, CONNECTOR.stream("deal_stage_history")):
        assert stream.params["cursor"] == expected[stream.endpoint]


def test_what_cannot_be_seen_as_a_change_is_listed_often_enough() -> None:
    day = timedelta(days=1)
    assert all(stream.sweep_every is not None for stream in CONNECTOR.streams)
    assert all(stream.sweep_every < day for stream in CONNECTOR.streams if stream in LINKS or not stream.cursor)
    assert all(stream.sweep_every == 7 * day for stream in OBJECTS)
    assert all(stream.overlap == LATE for stream in CONNECTOR.streams if stream.cursor)
    assert {stream.name for stream in CONNECTOR.streams if stream.by_day} == {"contacts", "companies", "deals"}


# ------------------------------------------------------------------ values

moments = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000)))
def test_an_instant_is_the_same_however_it_is_written(value: datetime) -> None:
    milliseconds = (value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    iso = value.isoformat(timespec="milliseconds")
    written = [f"{milliseconds}", f"{milliseconds}.0", iso, iso.replace("+00:00", "Z"), iso.removesuffix("+00:00")]
    assert [moment(text) for text in written] == [value] * len(written)
    assert moment(f"{Decimal(milliseconds):E}") == value
    whole = value.replace(microsecond=0)
    assert moment(whole.isoformat().replace("+00:00", "Z")) == whole
    assert moment(whole.date().isoformat()) == datetime(whole.year, whole.month, whole.day, tzinfo=UTC)


@pytest.mark.parametrize("written", ["n/a", "2026-13-01", "1e400", "99999999999999999999", "-"])
def test_what_is_no_instant_is_refused(written: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        moment(written)


def test_empty_text_is_no_value() -> None:
    assert (moment(""), decimal(""), truth("")) == (None, None, None)
    for stream in CONNECTOR.streams:
        for column in stream.columns:
            if column.parse and str in (column.wire, *getattr(column.wire, "__args__", ())):
                assert column.parse("") is None, (stream.name, column.name)


def test_money_is_exact_and_what_is_none_is_refused() -> None:
    assert decimal("12500.50") == Decimal("12500.50")
    assert decimal("0.1") == Decimal("0.1")
    with pytest.raises(ArithmeticError):
        decimal("123;456")
    assert [truth(written) for written in ("true", "false", True, False)] == [True, False, True, False]
    with pytest.raises(ValueError, match="true or false"):
        truth("maybe")
