"""What the Google Ads connector declares, makes of answers, and may spend. Facts: `apis/google_ads.md`."""

import asyncio
import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from dataflow_assets.connectors import google_ads
from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.google_ads import CONNECTOR, NotEnabled, classify
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.resources.auth import RefreshToken
from dataflow_assets.resources.failures import (
    Fatal,
    Retryable,
    Scope,
    Throttled,
    TooMuchData,
    Unauthorized,
    VendorError,
)
from dataflow_assets.resources.http import Reply
from dataflow_assets.settings import GoogleAdsSettings, Settings

ACCOUNT = "3100000013"
VERSIONS = ("v23", "v24", "v25", "v26")

# ------------------------------------------------------------------ the declaration

CASES = [(version, stream) for version in VERSIONS for stream in CONNECTOR.streams]


def types_of_google(version: str, kind: str, module: str) -> Any:
    """A type of Google's own SDK."""
    return getattr(importlib.import_module(f"google.ads.googleads.{version}.{module}"), kind)


def field_of_google(version: str, path: tuple[str, ...]) -> Any:
    """The field of a row that a path of the JSON leads to. Raises KeyError when Google has none."""
    message = types_of_google(version, "GoogleAdsRow", "services.types.google_ads_service").pb().DESCRIPTOR
    for part in path:
        field = {one.json_name: one for one in message.fields}[part]
        message = field.message_type
    return field


def types_that_fit(field: Any) -> set[ColumnType]:
    if field.is_repeated:
        return {ColumnType.JSONB}
    return {
        field.CPPTYPE_INT64: {ColumnType.BIGINT, ColumnType.TEXT},  # ids are text
        field.CPPTYPE_INT32: {ColumnType.BIGINT},
        field.CPPTYPE_DOUBLE: {ColumnType.NUMERIC},
        field.CPPTYPE_BOOL: {ColumnType.BOOLEAN},
        field.CPPTYPE_STRING: {ColumnType.TEXT, ColumnType.DATE},
        field.CPPTYPE_ENUM: {ColumnType.TEXT},
    }[field.cpp_type]


@pytest.mark.parametrize(("version", "stream"), CASES, ids=[f"{version}-{stream.name}" for version, stream in CASES])
def test_every_field_is_one_of_googles_of_a_type_that_fits(version: str, stream: Stream) -> None:
    for column in stream.columns:
        field = field_of_google(version, column.source_path)
        assert column.type in types_that_fit(field), column.name
        if column.name == "id" or column.name.endswith("_id"):
            assert column.type is ColumnType.TEXT, "Ids are text."
    for path in stream.ignored:
        assert field_of_google(version, tuple(path.split("."))).name == "resource_name"


def column(stream: str, name: str) -> Column:
    return next(one for one in CONNECTOR.stream(stream).columns if one.name == name)


def test_streams_have_the_promised_keys_and_rhythms() -> None:
    keys = {stream.name: stream.key for stream in CONNECTOR.streams}
    campaign = ("date", "customer_id", "campaign_id")
    assert keys == {
        "customers": ("id",),
        "campaigns": ("id",),
        "ad_groups": ("id",),
        "ads": ("ad_group_id", "id"),
        "conversion_actions": ("id",),
        "campaign_performance": campaign,
        "ad_group_performance": (*campaign, "ad_group_id"),
        "ad_performance": (*campaign, "ad_group_id", "ad_id"),
        "conversions_by_action": (*campaign, "conversion_action"),
    }
    for stream in CONNECTOR.streams:
        assert stream.page_size == 10_000
        if stream.kind is Kind.REPORT:
            assert (stream.report_day, stream.slice_days) == ("date", 31)
        else:
            assert (stream.cursor, stream.is_daily) == (None, False)


def test_what_is_counted_defaults_to_zero_and_values_may_be_corrected_below_it() -> None:
    for name in ("impressions", "clicks", "cost_micros", "view_through_conversions"):
        assert (column("ad_performance", name).default, column("ad_performance", name).ge) == (0, 0)
    for name in ("conversions", "conversions_value", "all_conversions", "all_conversions_value"):
        assert (column("ad_performance", name).default, column("ad_performance", name).ge) == ("0", None)


def test_the_settings_say_how_far_back_is_read() -> None:
    settings = Settings(google_ads=GoogleAdsSettings(initial_history_days=400, lookback_days=60, api_version="v25"))
    assert (CONNECTOR.initial_history_days(settings), CONNECTOR.lookback_days(settings)) == (400, 60)
    assert CONNECTOR.retention_days == 1_123
    assert CONNECTOR.version(settings) == "v25"
    assert set(VERSIONS) < set(CONNECTOR.version_ends)
    # In the order of the versions: a slip of a year would make `doctor` silent.
    assert list(CONNECTOR.version_ends.values()) == sorted(CONNECTOR.version_ends.values())


# ------------------------------------------------------------------ errors: law 8

Meaning = tuple[type[VendorError], Scope | None]
BUG: Meaning = (Fatal, "account")
FAMILIES: dict[str, tuple[str, Meaning]] = {
    "quotaError": ("QuotaError", (Throttled, "account")),
    "internalError": ("InternalError", (Retryable, None)),
    "databaseError": ("DatabaseError", (Retryable, None)),
    "authenticationError": ("AuthenticationError", (Unauthorized, "vendor")),
    "authorizationError": ("AuthorizationError", (Fatal, "account")),
    "requestError": ("RequestError", BUG),
    "queryError": ("QueryError", BUG),
    "headerError": ("HeaderError", BUG),
    "dateError": ("DateError", BUG),
    "dateRangeError": ("DateRangeError", BUG),
    "changeStatusError": ("ChangeStatusError", BUG),
}
EXCEPTIONS: dict[Meaning, set[str]] = {
    (Throttled, "vendor"): {"RESOURCE_EXHAUSTED"},
    (TooMuchData, None): {"EXPIRED_PAGE_TOKEN", "INVALID_PAGE_TOKEN"},
    (NotEnabled, "account"): {"CUSTOMER_NOT_ENABLED", "INCOMPLETE_SIGNUP"},
    # Of one account, though they come as authentication errors.
    (Fatal, "account"): {
        "CUSTOMER_NOT_FOUND",
        "CLIENT_CUSTOMER_ID_INVALID",
        "TWO_STEP_VERIFICATION_NOT_ENROLLED",
        "ADVANCED_PROTECTION_NOT_ENROLLED",
    },
    # Of the project or the user: no account can be read.
    (Fatal, "vendor"): {
        "ACCESS_PROHIBITED",
        "UNSUPPORTED_VERSION",
        "CLOUD_PROJECT_NOT_FOUND",
        "DEVELOPER_TOKEN_PARAMETER_MISSING",
        "NOT_ADS_USER",
        "GOOGLE_ACCOUNT_DELETED",
        "ORGANIZATION_NOT_RECOGNIZED",
        "ORGANIZATION_NOT_APPROVED",
        "ORGANIZATION_NOT_ASSOCIATED_WITH_DEVELOPER_TOKEN",
        "DEVELOPER_TOKEN_INVALID",
        "DEVELOPER_TOKEN_PROHIBITED",
        "DEVELOPER_TOKEN_NOT_ON_ALLOWLIST",
        "PROJECT_DISABLED",
        "MISSING_TOS",
        "SERVICE_ACCESS_DENIED",
        "CLOUD_PROJECT_NOT_UNDER_ORGANIZATION",
    },
}


def codes_of_google() -> Iterator[tuple[str, str, Meaning]]:
    """Every code of the families a reader can meet, with what it should mean."""
    for family, (name, usual) in FAMILIES.items():
        module = "".join(f"_{c.lower()}" if c.isupper() else c for c in family)
        enum = getattr(types_of_google("v26", f"{name}Enum", f"errors.types.{module}"), name)
        for code in enum:
            if code.name not in {"UNSPECIFIED", "UNKNOWN"}:
                exceptions = (meaning for meaning, codes in EXCEPTIONS.items() if code.name in codes)
                yield family, code.name, next(exceptions, usual)


CODES = list(codes_of_google())


def reply(body: bytes | str, status: int = 400, headers: Mapping[str, str] | None = None) -> Reply:
    content = body.encode() if isinstance(body, str) else body
    return Reply(status, httpx.Headers(headers or {}), content, ACCOUNT)


def entry(family: str, code: str, message: str = "It went wrong.", **details: Any) -> dict[str, Any]:
    return {"errorCode": {family: code}, "message": message, **({"details": details} if details else {})}


def failure(*entries: dict[str, Any], status: str = "INVALID_ARGUMENT", message: str = "Bad.") -> str:
    kind = "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure"
    detail = {"@type": kind, "errors": list(entries), "requestId": "b0Lq"}
    return json.dumps({"error": {"code": 400, "message": message, "status": status, "details": [detail]}})


def quota(code: str = "RESOURCE_EXHAUSTED", **told: Any) -> str:
    return failure(entry("quotaError", code, quotaErrorDetails=told), status="RESOURCE_EXHAUSTED")


def test_the_exceptions_are_codes_that_google_has() -> None:
    assert {code for codes in EXCEPTIONS.values() for code in codes} <= {code for _, code, _ in CODES}


@pytest.mark.parametrize(("family", "code", "meaning"), CODES, ids=[f"{family}-{code}" for family, code, _ in CODES])
def test_law_8_every_code_has_its_kind_whatever_the_http_status(family: str, code: str, meaning: Meaning) -> None:
    for status in (200, 400, 401, 403, 404, 429, 500):
        found = classify(reply(failure(entry(family, code)), status))
        assert found
        assert (type(found), getattr(found, "scope", None)) == meaning
        assert found.account == ACCOUNT
        assert str(found).startswith(f"google_ads, account {ACCOUNT}: Google answered {family}.{code}: It went wrong (")
        assert "request b0Lq" in str(found)


@pytest.mark.parametrize(
    ("told", "wait", "scope"),
    [
        ({"rateScope": "ACCOUNT", "retryDelay": "30s"}, 30.0, "account"),
        ({"rateScope": "DEVELOPER", "retryDelay": "40591s"}, 40_591.0, "vendor"),
        ({"rateScope": "DEVELOPER", "rateName": "Number of operations", "retryDelay": "1.500s"}, 1.5, "vendor"),
        ({"rateScope": "ACCOUNT"}, 300.0, "account"),
        ({"retryDelay": "7s"}, 7.0, "vendor"),
        ({"rateScope": None, "retryDelay": None}, 300.0, "vendor"),
        ({"rateScope": "SOMEBODY", "retryDelay": "0s"}, 300.0, "vendor"),
        ({"retryDelay": "-5s"}, 300.0, "vendor"),
        ({"retryDelay": "soon"}, 300.0, "vendor"),
        ({"retryDelay": "infs"}, 300.0, "vendor"),
        ({}, 300.0, "vendor"),
    ],
)
def test_law_8_a_throttle_says_how_long_and_for_whom(told: dict[str, Any], wait: float, scope: Scope) -> None:
    found = classify(reply(quota(**told), 429))
    assert isinstance(found, Throttled)
    assert (found.wait_seconds, found.scope) == (wait, scope)


def test_law_8_costly_queries_are_left_alone_for_longer_than_frequent_ones() -> None:
    codes = ("RESOURCE_TEMPORARILY_EXHAUSTED", "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION")
    soon, late = (classify(reply(failure(entry("quotaError", code)), 429)) for code in codes)
    assert isinstance(soon, Throttled)
    assert isinstance(late, Throttled)
    assert soon.wait_seconds < 60 < late.wait_seconds


TRANSIENT, DENIED = entry("internalError", "TRANSIENT_ERROR"), entry("authorizationError", "USER_PERMISSION_DENIED")
BUSY = entry("quotaError", "RESOURCE_EXHAUSTED", quotaErrorDetails={"retryDelay": "90s"})
BUSIER = entry("quotaError", "RESOURCE_EXHAUSTED", quotaErrorDetails={"retryDelay": "900s"})
EXPIRED = entry("authenticationError", "OAUTH_TOKEN_EXPIRED")
STALE = entry("requestError", "EXPIRED_PAGE_TOKEN")


@pytest.mark.parametrize(
    ("entries", "kind"),
    [
        ((TRANSIENT, TRANSIENT), Retryable),
        ((TRANSIENT, DENIED), Fatal),
        ((BUSY, DENIED), Fatal),
        ((EXPIRED, DENIED), Fatal),
        ((TRANSIENT, BUSY), Throttled),
        ((STALE, BUSY), TooMuchData),
        ((EXPIRED, TRANSIENT), Unauthorized),
    ],
)
def test_law_8_of_several_errors_the_gravest_counts(
    entries: tuple[dict[str, Any], ...], kind: type[VendorError]
) -> None:
    for ordered in (entries, entries[::-1]):
        assert type(classify(reply(failure(*ordered)))) is kind


def test_law_8_of_several_waits_the_longest_counts() -> None:
    for ordered in ((BUSY, BUSIER), (BUSIER, BUSY)):
        found = classify(reply(failure(*ordered), 429))
        assert isinstance(found, Throttled)
        assert found.wait_seconds == 900


def plain(status: str | None, code: int = 400, details: Any = None) -> str:
    """An error of one of Google's front ends, which know no codes of the Ads API."""
    more = {} if details is None else {"details": details}
    return json.dumps({"error": {"code": code, "message": "No.", "status": status, **more}})


@pytest.mark.parametrize(
    ("body", "http", "kind", "scope"),
    [
        (plain("UNAVAILABLE"), 503, Retryable, None),
        (plain("INTERNAL"), 500, Retryable, None),
        (plain("DEADLINE_EXCEEDED"), 504, Retryable, None),
        (plain("UNAVAILABLE"), 200, Retryable, None),
        (plain("RESOURCE_EXHAUSTED"), 429, Throttled, "vendor"),
        (plain("UNAUTHENTICATED"), 401, Unauthorized, "vendor"),
        (
            plain("UNAUTHENTICATED", details=[{"reason": "ACCESS_TOKEN_EXPIRED", "metadata": {}}]),
            401,
            Unauthorized,
            "vendor",
        ),
        (plain("PERMISSION_DENIED"), 403, Fatal, "vendor"),
        (plain("NOT_FOUND"), 404, Fatal, "vendor"),
        (plain("UNIMPLEMENTED"), 501, Fatal, "vendor"),
        (plain("INVALID_ARGUMENT"), 400, Fatal, "account"),
        (plain(None), 429, Throttled, "vendor"),
        (plain(None), 502, Retryable, None),
        (plain(None), 400, Fatal, "account"),
        (failure(entry("errorOfTomorrow", "NEW"), status="INTERNAL"), 400, Retryable, None),
        (failure(entry("errorOfTomorrow", "NEW")), 500, Fatal, "account"),
        ("{}", 500, Retryable, None),
        ("{}", 404, Fatal, "vendor"),
        ("{}", 400, Fatal, "account"),
        ("<html><title>Error 404 (Not Found)!!1</title></html>", 404, Fatal, "vendor"),
        ("<html>Too many requests</html>", 429, Throttled, "vendor"),
        ("<html>502</html>", 502, Retryable, None),
        ("<html>Sorry</html>", 403, Retryable, None),
        ("<html>Sorry</html>", 200, Retryable, None),
        ("", 200, Retryable, None),
        ('{"results":[{"campaign":{"id"', 200, Retryable, None),
        ('{"results":[],"nextPageToken":5}', 200, Retryable, None),
        ("[]", 200, Retryable, None),
    ],
)
def test_law_8_answers_without_a_code(body: str, http: int, kind: type[VendorError], scope: Scope | None) -> None:
    found = classify(reply(body, http))
    assert (type(found), getattr(found, "scope", None)) == (kind, scope)


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"results":[],"fieldMask":"campaign.id","queryResourceConsumption":"0"}',
        '{"results":[{"campaign":{"id":"1"}}],"nextPageToken":"a"}',
        '{"resourceNames":["customers/1"]}',
        '{"error":null}',
    ],
)
def test_law_8_good_answers_are_good(body: str) -> None:
    assert classify(reply(body, 200)) is None


@pytest.mark.parametrize("missing", ["message", "details", "status"])
def test_law_8_an_error_with_a_null_in_it_keeps_its_kind(missing: str) -> None:
    # Read as "not JSON" it would be tried again six times, and each time counts.
    told = json.loads(failure(entry("queryError", "UNRECOGNIZED_FIELD")))
    told["error"][missing] = None
    assert type(classify(reply(json.dumps(told)))) is Fatal
    inner = entry("queryError", "UNRECOGNIZED_FIELD") | {"message": None, "details": None}
    assert type(classify(reply(failure(inner)))) is Fatal


@pytest.mark.parametrize(
    ("family", "code", "hint"),
    [
        ("authenticationError", "OAUTH_TOKEN_REVOKED", "DATAFLOW_GOOGLE_ADS__REFRESH_TOKEN"),
        ("authenticationError", "NOT_ADS_USER", "DATAFLOW_GOOGLE_ADS__REFRESH_TOKEN"),
        ("authenticationError", "DEVELOPER_TOKEN_INVALID", "DATAFLOW_GOOGLE_ADS__DEVELOPER_TOKEN"),
        ("authenticationError", "TWO_STEP_VERIFICATION_NOT_ENROLLED", "user of the refresh token"),
        ("authorizationError", "USER_PERMISSION_DENIED", "DATAFLOW_GOOGLE_ADS__ACCOUNT_IDS"),
        ("authorizationError", "CUSTOMER_NOT_ENABLED", "cancelled"),
        ("authorizationError", "PROJECT_DISABLED", "DATAFLOW_GOOGLE_ADS__CLIENT_ID"),
        ("authorizationError", "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", "Explorer or Basic access"),
        ("requestError", "UNSUPPORTED_VERSION", "DATAFLOW_GOOGLE_ADS__API_VERSION"),
        ("headerError", "INVALID_LOGIN_CUSTOMER_ID", "DATAFLOW_GOOGLE_ADS__LOGIN_CUSTOMER_ID"),
        ("dateRangeError", "INVALID_DATE", "37 months"),
        ("dateRangeError", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED", "37 months"),
        ("queryError", "REQUESTED_METRICS_FOR_MANAGER", "manager account"),
        ("queryError", "UNRECOGNIZED_FIELD", "new version of the connector"),
    ],
)
def test_a_person_is_told_what_to_do(family: str, code: str, hint: str) -> None:
    assert hint in str(classify(reply(failure(entry(family, code)))))


def test_law_13_messages_hold_neither_secrets_nor_links() -> None:
    said = "Enable it at https://console.example/apis?project=1 with s3cret and refresh_token=abc."
    found = str(classify(reply(failure(entry("authorizationError", "PROJECT_DISABLED", said))), ("s3cret", "")))
    assert "Enable it at (link) with ***" in found
    assert not [word for word in ("https", "s3cret", "abc") if word in found]


# ------------------------------------------------------------------ budgets: law 7


def test_law_7_a_day_holds_what_google_allows_and_accounts_have_their_own_minute() -> None:
    limits = google_ads.api(Settings(google_ads=GoogleAdsSettings(client_id="project-1"))).limits
    assert set(limits(None, "")) == {"vendor"}
    one, other = limits("1", "customers/1/googleAds:search"), limits("2", "customers/2/googleAds:search")
    assert one["vendor"] == other["vendor"] == limits(None, "")["vendor"]
    assert one["account"].key != other["account"].key
    assert "project-1" in one["vendor"].key, "Quota belongs to the project of the OAuth client."
    # No 24 hours hold more than rate and burst together.
    assert (one["vendor"].requests + one["vendor"].burst, one["vendor"].seconds) == (15_000, 86_400)
    assert (one["account"].requests, one["account"].seconds) == (300, 60)


@pytest.mark.parametrize("per_day", [1, 10, 2_600])
def test_law_7_small_budgets_stay_small(per_day: int) -> None:
    limit = google_ads.api(Settings(google_ads=GoogleAdsSettings(requests_per_day=per_day))).limits(None, "")["vendor"]
    assert limit.requests + limit.burst <= max(per_day + 1, per_day * 15 / 14)


def test_law_7_google_sends_no_figures_of_its_budgets() -> None:
    assert google_ads.api(Settings()).usage(reply("{}", 200, {"x-anything": "1"})) == {}


# ------------------------------------------------------------------ credentials

SECRETS = {"client_secret": "my-secret", "refresh_token": "my-refresh", "developer_token": "my-developer"}


def configured(**changes: Any) -> Settings:
    secrets = {name: SecretStr(value) for name, value in SECRETS.items()}
    return Settings(google_ads=GoogleAdsSettings(client_id="project-1", **{**secrets, **changes}))


def sent_headers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    """The headers of a request; the token endpoint answers at once."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url == "https://oauth2.googleapis.com/token"
        assert dict(httpx.QueryParams(request.content.decode())) == {
            "grant_type": "refresh_token",
            "client_id": "project-1",
            "client_secret": "my-secret",
            "refresh_token": "my-refresh",
        }
        return httpx.Response(200, json={"access_token": "ya29.a", "expires_in": 3599, "token_type": "Bearer"})

    monkeypatch.setattr("dataflow_assets.resources.auth._tokens", {})
    (auth,) = google_ads.api(settings).auths
    assert isinstance(auth, RefreshToken)

    async def go() -> Mapping[str, str]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            return await auth.headers(http)

    return asyncio.run(go())


def test_the_developer_token_goes_along_only_when_it_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    bearer = {"Authorization": "Bearer ya29.a"}
    assert sent_headers(configured(), monkeypatch) == {**bearer, "developer-token": "my-developer"}
    assert sent_headers(configured(developer_token=None), monkeypatch) == bearer


def test_law_13_the_description_of_the_api_does_not_show_its_secrets() -> None:
    api = google_ads.api(configured())
    shown = repr(api) + repr(api.auths) + repr(configured())
    assert not [secret for secret in SECRETS.values() if secret in shown]


def test_the_address_holds_the_version() -> None:
    settings = configured(base_url="http://127.0.0.1:1/google/", api_version="v24")
    assert google_ads.api(settings).base_url == "http://127.0.0.1:1/google/v24/"
