"""What the LinkedIn connector makes of answers and values. Facts: `apis/linkedin_ads.md`, sections 1, 2, 3 and 5."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linkedin_api.clients.restli.utils.encoder import encode
from pydantic import SecretStr

from dataflow_assets.connectors.base import Kind
from dataflow_assets.connectors.linkedin_ads import CONNECTOR, reading
from dataflow_assets.connectors.linkedin_ads.answers import classify
from dataflow_assets.connectors.linkedin_ads.reading import NEW_TOKEN_SECONDS, encoded
from dataflow_assets.connectors.records import ColumnType
from dataflow_assets.raw.decode import Decoded, Decoder
from dataflow_assets.resources.auth import Fixed, RefreshToken
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
from dataflow_assets.settings import LinkedInAdsSettings, Settings

ACCOUNT = "50800000000000011"
ANALYTICS = "adAnalytics?q=analytics&accounts=List(urn%3Ali%3AsponsoredAccount%3A508)"
LISTING = f"adAccounts/{ACCOUNT}/adCampaigns?q=search"
DAY = "Resource level throttle APPLICATION_AND_MEMBER DAY limit for calls to this resource is reached."
VALUES = "The data request limit has been exceeded"
OTHER = "Resource level throttle limit for calls to this resource is reached."

# ------------------------------------------------------------------ errors: law 8

# status, code and serviceErrorCode in the body; the kind of failure and whom it concerns
Told = tuple[int, str | None, int | None]
KINDS: dict[Told, tuple[type[VendorError], Scope | None]] = {
    (400, "PARAM_INVALID", None): (Fatal, "account"),
    (400, "FIELD_INVALID", None): (Fatal, "account"),
    (400, "MULTIPLE_VALIDATIONS_FAILED", None): (Fatal, "account"),
    (400, "QUERY_PARAM_NOT_ALLOWED", None): (Fatal, "account"),
    (400, None, None): (Fatal, "account"),
    (400, "VERSION_MISSING", None): (Fatal, "vendor"),
    (426, "NONEXISTENT_VERSION", None): (Fatal, "vendor"),
    (401, "INVALID_ACCESS_TOKEN", 65600): (Unauthorized, "vendor"),
    (401, "REVOKED_ACCESS_TOKEN", 65601): (Unauthorized, "vendor"),
    (401, "EXPIRED_ACCESS_TOKEN", 65602): (Unauthorized, "vendor"),
    (401, None, 65604): (Unauthorized, "vendor"),
    (401, None, 401): (Unauthorized, "vendor"),
    (403, "REVOKED_ACCESS_TOKEN", None): (Unauthorized, "vendor"),
    (403, None, 65602): (Unauthorized, "vendor"),
    (403, "ACCESS_DENIED", 100): (Fatal, "account"),
    (403, "NO_PERMISSION_ON_ENTITY", None): (Fatal, "account"),
    (403, None, None): (Fatal, "account"),
    (404, "NOT_FOUND", None): (Fatal, "account"),
    (405, None, None): (Fatal, "account"),
    (411, None, None): (Fatal, "account"),
    (414, None, None): (Fatal, "account"),
    (429, "TOO_MANY_REQUESTS", 101): (Throttled, "endpoint"),
    (429, None, None): (Throttled, "endpoint"),
    (429, "SEGMENT_LIMIT_EXCEEDED", None): (Fatal, "account"),
    (500, None, None): (Retryable, None),
    (502, None, None): (Retryable, None),
    (503, "UNDER_MAINTENANCE", None): (Retryable, None),
}


def reply(body: bytes | str, status: int = 400, headers: Mapping[str, str] | None = None, path: str = LISTING) -> Reply:
    content = body.encode() if isinstance(body, str) else body
    return Reply(status, httpx.Headers(headers or {}), content, ACCOUNT, path)


def error(status: int, code: str | None = None, service: int | None = None, message: str = "It went wrong") -> str:
    told = {"status": status, "code": code, "serviceErrorCode": service, "message": message}
    return json.dumps({name: value for name, value in told.items() if value is not None})


def throttle(message: str) -> str:
    return error(429, "TOO_MANY_REQUESTS", 101, message)


@pytest.mark.parametrize(("told", "kind"), KINDS.items(), ids=lambda value: str(value) if value in KINDS else "")
def test_law_8_the_body_decides_whatever_the_http_status(
    told: Told, kind: tuple[type[VendorError], Scope | None]
) -> None:
    for http_status in (200, told[0], 500):
        for path in (LISTING, ANALYTICS):
            failure = classify(reply(error(*told), http_status, path=path))
            assert type(failure) is kind[0]
            assert getattr(failure, "scope", None) == kind[1]
            assert failure.account == ACCOUNT
            assert f"{told[0]} {told[1] or 'without a code'}" in str(failure)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Fatal), (401, Unauthorized), (403, Fatal), (404, Fatal), (429, Throttled), (500, Retryable)],
)
@pytest.mark.parametrize("body", ["{}", "", "<html>Sorry</html>", '{"message": "no status"}', "[]", '{"status": null}'])
def test_law_8_without_a_status_in_the_body_that_of_http_counts(
    status: int, kind: type[VendorError], body: str
) -> None:
    assert type(classify(reply(body, status))) is kind


@pytest.mark.parametrize(("status", "code"), [(504, "GATEWAY_TIMEOUT"), (504, None), (408, "TIMEOUT")])
def test_law_8_a_report_that_takes_too_long_is_too_much_data_and_a_listing_is_tried_again(
    status: int, code: str | None
) -> None:
    for body in (error(status, code), "<html>Gateway Timeout</html>"):
        assert type(classify(reply(body, status, path=ANALYTICS))) is TooMuchData
        assert type(classify(reply(body, status, path=LISTING))) is Retryable
        assert type(classify(reply(body, status, path=f"adAccounts/{ACCOUNT}"))) is Retryable


@pytest.mark.parametrize(
    "body",
    [
        '{"elements": [], "metadata": {}}',
        '{"id": 508, "status": "ACTIVE", "version": {"versionTag": "7"}}',
        '{"id": 508, "status": "REMOVED", "code": null, "message": {"text": "hello"}}',
    ],
)
def test_an_entity_with_a_status_of_its_own_is_a_good_answer(body: str) -> None:
    assert classify(reply(body, 200)) is None


@pytest.mark.parametrize("body", ["", "<html>Service Unavailable</html>", '{"elements": [{"id": 1}, {"i'])
def test_law_8_a_good_status_with_an_unreadable_body_is_tried_again(body: str) -> None:
    assert type(classify(reply(body, 200))) is Retryable


@pytest.mark.parametrize(
    ("told", "hint"),
    [
        ((401, "EXPIRED_ACCESS_TOKEN", 65602), "DATAFLOW_LINKEDIN_ADS__ACCESS_TOKEN"),
        ((426, "NONEXISTENT_VERSION", None), "DATAFLOW_LINKEDIN_ADS__API_VERSION"),
        ((403, "ACCESS_DENIED", 100), "DATAFLOW_LINKEDIN_ADS__ACCOUNT_IDS"),
        ((404, "NOT_FOUND", None), "DATAFLOW_LINKEDIN_ADS__ACCOUNT_IDS"),
    ],
)
def test_a_person_is_told_which_setting_to_look_at(told: Told, hint: str) -> None:
    failure = classify(reply(error(*told)))
    assert failure
    assert hint in str(failure)


def test_the_trace_that_linkedins_support_asks_for_is_in_the_message() -> None:
    assert "AAYHn+x2" in str(classify(reply(error(500), 500, {"X-LI-UUID": "AAYHn+x2"})))


def test_law_13_a_message_that_quotes_a_secret_is_scrubbed() -> None:
    body = error(400, "PARAM_INVALID", None, "Bad call ?access_token=AQX1 by my-secret")
    failure = classify(reply(body), ("my-secret",))
    assert failure
    assert "AQX1" not in str(failure) + repr(failure)
    assert "my-secret" not in str(failure) + repr(failure)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ((401, "REVOKED_ACCESS_TOKEN", 65601), Retryable),
        ((401, None, 65601), Retryable),
        ((401, "EXPIRED_ACCESS_TOKEN", 65602), Unauthorized),
        ((401, "INVALID_ACCESS_TOKEN", 65600), Unauthorized),
    ],
)
def test_a_token_of_seconds_that_is_called_revoked_is_not_known_everywhere_yet(
    told: Told, kind: type[VendorError]
) -> None:
    assert type(classify(reply(error(*told)), is_new_token=True)) is kind
    assert type(classify(reply(error(*told)), is_new_token=False)) is Unauthorized


# ------------------------------------------------------------------ waits and budgets: law 7


def waited(message: str, headers: Mapping[str, str] | None = None) -> float:
    failure = classify(reply(throttle(message), 429, headers))
    assert isinstance(failure, Throttled)
    return failure.wait_seconds


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        ("Tue, 24 Nov 2026 22:30:00 GMT", 5_400),
        ("Tue, 24 Nov 2026 00:00:00 GMT", 86_400),
        ("Thu, 31 Dec 2026 23:59:59 GMT", 1),
    ],
)
def test_law_7_a_day_quota_holds_until_midnight_utc_by_linkedins_clock(now: str, seconds: float) -> None:
    assert waited(DAY, {"Date": now}) == seconds
    assert waited(DAY.replace("_AND_MEMBER", ""), {"Date": now}) == seconds


def test_law_7_a_day_quota_without_a_date_holds_until_our_midnight() -> None:
    midnight = datetime.combine(datetime.now(UTC).date() + timedelta(days=1), datetime.min.time(), UTC)
    left = (midnight - datetime.now(UTC)).total_seconds()
    # A midnight between the two looks at the clock is one too.
    assert abs(waited(DAY) - left) % 86_400 < 5 or abs(waited(DAY) - left) % 86_400 > 86_395


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (VALUES, 330),
        ("Requests for more than 45 million metric values in 5 minutes are throttled", 330),
        (OTHER, 60),
        ("", 60),
    ],
)
def test_law_7_each_throttle_has_its_wait(message: str, seconds: float) -> None:
    assert waited(message, {"Date": "Tue, 24 Nov 2026 22:30:00 GMT"}) == seconds


@pytest.mark.parametrize("message", [DAY, VALUES, OTHER])
def test_law_7_a_told_wait_is_believed(message: str) -> None:
    assert waited(message, {"Retry-After": "17", "Date": "Tue, 24 Nov 2026 22:30:00 GMT"}) == 17
    assert waited(OTHER, {"Retry-After": "Tue, 24 Nov 2026 22:30:00 GMT"}) == 60


def test_law_7_budgets_are_kept_per_app_and_resource_and_for_no_account_of_its_own() -> None:
    limits = reading.api(Settings(linkedin_ads=LinkedInAdsSettings(client_id="app", requests_per_minute=7))).limits
    of_account = {path: limits(ACCOUNT, path) for path in (LISTING, ANALYTICS, f"adAccounts/{ACCOUNT}", "adAccounts")}
    assert {path: found["endpoint"].key for path, found in of_account.items()} == {
        LISTING: "linkedin_ads:app:adCampaigns",
        ANALYTICS: "linkedin_ads:app:adAnalytics",
        f"adAccounts/{ACCOUNT}": "linkedin_ads:app:adAccounts",
        "adAccounts": "linkedin_ads:app:adAccounts",
    }
    assert limits("other", ANALYTICS) == limits(ACCOUNT, ANALYTICS) == limits(None, ANALYTICS)
    for found in of_account.values():
        assert set(found) == {"vendor", "endpoint"}
        assert {(limit.requests, limit.seconds) for limit in found.values()} == {(7, 60)}
        assert found["vendor"].key == "linkedin_ads:app"


# ------------------------------------------------------------------ what is declared


def test_every_status_is_named_so_that_nothing_is_taken_for_gone() -> None:
    of_groups = {"ACTIVE", "ARCHIVED", "CANCELED", "DRAFT", "PAUSED", "PENDING_DELETION", "REMOVED"}
    named = {stream.name: json.dumps(dict(stream.params)) for stream in CONNECTOR.streams}
    for name, statuses in {
        "campaign_groups": of_groups,
        "campaigns": of_groups | {"COMPLETED"},
        "creatives": of_groups,
    }.items():
        assert all(f'"{status}"' in named[name] for status in statuses), name


def test_reports_ask_for_no_more_fields_than_linkedin_gives() -> None:
    for stream in CONNECTOR.streams:
        if stream.kind is Kind.REPORT:
            fields = {column.source_path[0] for column in stream.columns}
            assert {"dateRange", "pivotValues", "costInLocalCurrency", "impressions"} < fields
            assert len(fields) <= 20
            assert "pivot" not in fields


def test_the_default_version_lives_and_those_of_last_year_end_on_known_days() -> None:
    assert CONNECTOR.version(Settings()) not in CONNECTOR.version_ends
    assert CONNECTOR.version_ends["202511"] == date(2026, 11, 16)


# ------------------------------------------------------------------ Rest.li

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
VALUES_OF_RESTLI = st.recursive(
    TEXTS | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.from_regex("[a-z]{1,8}", fullmatch=True), inner, min_size=1, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES_OF_RESTLI)
def test_values_are_written_as_linkedins_own_sdk_writes_them(value: Any) -> None:
    assert encoded(_sorted(value)) == encode(value)


def _sorted(value: Any) -> Any:
    """The SDK sorts keys."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def test_an_empty_text_is_two_quotes() -> None:
    assert encoded({"name": ""}) == "(name:'')"


# ------------------------------------------------------------------ values: laws 6 and 10

STAMPS = {"created": {"time": 1771000000000}, "lastModified": {"time": 1774000000001}}
CAMPAIGN = {
    "id": 61000000000101003,
    "account": f"urn:li:sponsoredAccount:{ACCOUNT}",
    "campaignGroup": "urn:li:sponsoredCampaignGroup:61000000000100001",
    "name": "DE IT managers",
    "status": "PAUSED",
    "dailyBudget": {"amount": "50.00", "currencyCode": "EUR"},
    "runSchedule": {"start": 1772323200000, "end": 1777507200000},
    "test": False,
    "changeAuditStamps": STAMPS,
}
CREATIVE = {
    "id": "urn:li:sponsoredCreative:61000000000101015",
    "campaign": "urn:li:sponsoredCampaign:61000000000101003",
    "content": {"reference": "urn:li:share:7100000000000000001"},
    "lastModifiedAt": 1771500000000,
}
ROW = {
    "dateRange": {"start": {"year": 2026, "month": 3, "day": 1}, "end": {"year": 2026, "month": 3, "day": 2}},
    "pivotValues": ["urn:li:sponsoredCampaign:61000000000101003"],
    "impressions": 840,
    "costInLocalCurrency": "107.5300000000000335346",
    "costInUsd": "-2e-18",
}
CREATIVE_ROW = {**ROW, "pivotValues": [CREATIVE["campaign"], CREATIVE["id"]]}


def decoded(stream: str, *found: Mapping[str, Any]) -> Decoded:
    return Decoder(CONNECTOR.stream(stream)).decode(msgspec.Raw(json.dumps(found).encode()))


def row(stream: str, record: Mapping[str, Any]) -> dict[str, Any]:
    found = decoded(stream, record)
    assert found.rejected == []
    assert found.extra == [None]
    columns = CONNECTOR.stream(stream).columns
    return {
        column.name: Decimal(values[0]) if column.type is ColumnType.NUMERIC and values[0] is not None else values[0]
        for column, values in zip(columns, found.columns, strict=True)
    }


def test_law_10_ids_are_the_digits_of_numbers_and_urns_as_text() -> None:
    campaign, creative, report = row("campaigns", CAMPAIGN), row("creatives", CREATIVE), row("analytics_campaign", ROW)
    assert (campaign["id"], campaign["account_id"]) == ("61000000000101003", ACCOUNT)
    assert campaign["campaign_group_id"] == "61000000000100001"
    assert (creative["id"], creative["campaign_id"]) == ("61000000000101015", "61000000000101003")
    assert report["campaign_id"] == "61000000000101003"


def test_times_are_milliseconds_and_an_open_end_is_none() -> None:
    campaign = row("campaigns", CAMPAIGN)
    assert campaign["last_modified_at"] == datetime(2026, 3, 20, 9, 46, 40, 1_000, tzinfo=UTC)
    assert campaign["end_at"] == datetime(2026, 4, 30, tzinfo=UTC)
    assert row("campaigns", {**CAMPAIGN, "runSchedule": {"start": 1772323200000}})["end_at"] is None
    assert row("creatives", CREATIVE)["last_modified_at"] == datetime(2026, 2, 19, 11, 20, tzinfo=UTC)


def test_budgets_are_decimals_with_their_currency() -> None:
    campaign = row("campaigns", CAMPAIGN)
    assert (campaign["daily_budget"], campaign["daily_budget_currency"]) == (Decimal("50.00"), "EUR")
    assert (campaign["total_budget"], campaign["total_budget_currency"]) == (None, None)


def test_the_noise_of_binary_fractions_is_taken_off_money() -> None:
    report = row("analytics_campaign", ROW)
    assert report["cost_in_local_currency"] == Decimal("107.53")
    assert str(report["cost_in_usd"]) == "0.000000"


@pytest.mark.parametrize(("sent", "held"), [("0.0", "0"), (12, "12"), (48.17, "48.17"), ("1234567890.125", None)])
def test_money_is_read_as_text_and_as_a_number(sent: Any, held: str | None) -> None:
    report = row("analytics_creative", {**CREATIVE_ROW, "costInLocalCurrency": sent})
    assert report["cost_in_local_currency"] == Decimal(held or sent)


@pytest.mark.parametrize("order", [1, -1])
def test_the_figures_of_a_creative_name_its_campaign_too_in_any_order(order: int) -> None:
    report = row("analytics_creative", {**CREATIVE_ROW, "pivotValues": CREATIVE_ROW["pivotValues"][::order]})
    assert (report["campaign_id"], report["creative_id"]) == ("61000000000101003", "61000000000101015")


@pytest.mark.parametrize(
    ("pivots", "missing"),
    [
        ([CREATIVE["id"]], "sponsoredCampaign"),
        ([CREATIVE["campaign"]], "sponsoredCreative"),
        (["urn:li:sponsoredCampaignGroup:61000000000100001", CREATIVE["id"]], "sponsoredCampaign"),
        ([CREATIVE["campaign"], CREATIVE["campaign"], CREATIVE["id"]], "sponsoredCampaign"),
    ],
)
def test_law_6_figures_of_a_creative_that_do_not_name_one_campaign_and_one_creative_are_set_aside(
    pivots: list[str], missing: str
) -> None:
    found = decoded("analytics_creative", {**CREATIVE_ROW, "pivotValues": pivots}, CREATIVE_ROW)
    (rejected,) = found.rejected
    assert f"Expected one urn:li:{missing}:<number>" in rejected.reason
    assert found.rows == 1


def test_law_6_a_report_row_is_kept_by_everything_it_is_asked_by() -> None:
    for stream in CONNECTOR.streams:
        if stream.kind is Kind.REPORT:
            assert set(stream.key) == {"date", *(f"{pivot.lower()}_id" for pivot in stream.params["pivots"])}


def test_a_report_day_is_the_start_of_its_range() -> None:
    assert row("analytics_campaign", ROW)["date"] == date(2026, 3, 1)


def test_a_figure_that_is_missing_is_nothing() -> None:
    report = row("analytics_campaign", {"dateRange": ROW["dateRange"], "pivotValues": ROW["pivotValues"]})
    assert (report["clicks"], report["one_click_leads"], report["conversion_value_in_local_currency"]) == (0, 0, 0)


@pytest.mark.parametrize(
    "broken",
    [
        {"pivotValues": ["urn:li:sponsoredCreative:61000000000101015"]},
        {"pivotValues": ["urn:li:sponsoredCampaign:"]},
        {"pivotValues": ["61000000000101003"]},
        {"pivotValues": []},
        {"pivotValues": ROW["pivotValues"] * 2},
        {"dateRange": {"start": {"year": 2026, "month": 2, "day": 30}}},
        {"dateRange": {"start": {"year": 2026, "month": 2}}},
        {"costInLocalCurrency": "n/a"},
        {"costInLocalCurrency": "NaN"},
        {"costInLocalCurrency": "-0.01"},
        {"impressions": -1},
        {"impressions": {"value": 3}},
    ],
    ids=json.dumps,
)
def test_law_6_a_row_that_cannot_be_read_is_set_aside_and_the_others_land(broken: dict[str, Any]) -> None:
    found = decoded("analytics_campaign", {**ROW, **broken}, ROW)
    assert (found.rows, len(found.rejected)) == (1, 1)


def test_law_6_the_fields_linkedin_is_known_to_send_are_no_news_and_others_are() -> None:
    known = {
        "notifiedOnCampaignOptimization": True,
        "notifiedOnCreativeApproval": False,
        "notifiedOnCreativeRejection": False,
        "notifiedOnEndOfCampaign": True,
    }
    account = {"id": 1, "currency": "EUR", "changeAuditStamps": {"created": {"time": 1, "actor": "urn:li:unknown:0"}}}
    assert decoded("ad_accounts", {**account, **known}).unknown_fields == set()
    assert decoded("ad_accounts", {**account, "ofTomorrow": 1}).unknown_fields == {"ofTomorrow"}


# ------------------------------------------------------------------ credentials


def test_a_refresh_token_is_used_where_there_is_one_and_the_access_token_otherwise() -> None:
    both = LinkedInAdsSettings(
        access_token=SecretStr("t"), refresh_token=SecretStr("r"), client_id="c", client_secret=SecretStr("s")
    )
    (auth,) = reading.api(Settings(linkedin_ads=both)).auths
    assert isinstance(auth, RefreshToken)
    assert dict(auth.form) == {"refresh_token": "r", "client_id": "c", "client_secret": "s"}
    (auth,) = reading.api(Settings(linkedin_ads=LinkedInAdsSettings(access_token=SecretStr("t")))).auths
    assert isinstance(auth, Fixed)
    assert auth.values == {"Authorization": "Bearer t"}


@pytest.mark.parametrize(("days", "warned"), [(29, True), (0, True), (31, False), (None, False), ("soon", False)])
def test_a_refresh_token_that_ends_within_a_month_is_announced(
    days: Any, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    seconds = days * 86_400 if isinstance(days, int) else days
    reading._Renewals().heard({"refresh_token_expires_in": seconds})
    assert (f"ends in {days} days" in caplog.text) == warned
    assert bool(caplog.records) == warned


def test_a_token_is_new_for_a_minute_after_it_was_fetched() -> None:
    renewals = reading._Renewals()
    assert not renewals.is_new_token
    renewals.heard({})
    assert renewals.is_new_token
    renewals.fetched_at -= NEW_TOKEN_SECONDS
    assert not renewals.is_new_token


def test_law_13_the_description_of_the_api_does_not_show_its_secrets() -> None:
    secret = LinkedInAdsSettings(
        access_token=SecretStr("my-token"), refresh_token=SecretStr("my-refresh"), client_secret=SecretStr("my-secret")
    )
    for linkedin in (secret, secret.model_copy(update={"refresh_token": None})):
        settings = Settings(linkedin_ads=linkedin)
        shown = repr(reading.api(settings)) + repr(settings)
        assert not [word for word in ("my-token", "my-refresh", "my-secret") if word in shown]
