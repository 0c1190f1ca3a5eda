"""What the Meta connector makes of answers, and how it shows who it is. Facts: `apis/meta_ads.md`, sections 1 and 3."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from facebook_business.session import FacebookSession
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from dataflow_assets.connectors.meta_ads import reading
from dataflow_assets.connectors.meta_ads.answers import classify, usage
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
from dataflow_assets.settings import MetaAdsSettings, Settings

ACCOUNT = "920000000000011"
REDUCE = "Please reduce the amount of data you're asking for, then retry your request"

# ------------------------------------------------------------------ errors: law 8

Code = tuple[int, int | None]

THROTTLED_CODES: list[Code] = [
    *[(4, sub) for sub in (None, 1504022, 1504039)],
    *[(17, sub) for sub in (None, 2446079)],
    (32, None),
    (341, None),
    *[(613, sub) for sub in (None, 1487742, 1487225, 1487632, 1996, 5044001)],
    *[(code, 2446079) for code in (*range(80000, 80010), 80014)],
]
TRANSIENT_CODES: list[Code] = [
    (1, None),
    (2, None),
    (2, 1504043),
    (2, 1504044),
    (960, None),
    (2637, None),
    (100, 1815107),
]
TOO_MUCH_CODES: list[Code] = [(100, 1487534), (100, 1504018), (2, 1504038), (-3, 1504045)]
TOKEN_CODES: list[Code] = [(102, None), *[(190, sub) for sub in (None, 458, 459, 460, 463, 464, 467, 492)]]
ACCESS_CODES: list[Code] = [
    (3, None),
    (10, None),
    *[(code, None) for code in range(200, 300)],
    (100, 3191001),
    (100, 33),
]
BUG_CODES: list[Code] = [(100, None), (2, 1504041), (2, 1504042), (2500, None), (3018, None), (368, None)]
VENDOR_WIDE_CODES: list[Code] = [(2635, None), (104, None)]
KINDS: dict[Code, tuple[type[VendorError], Scope | None]] = {
    **dict.fromkeys(THROTTLED_CODES, (Throttled, "account")),
    **dict.fromkeys(THROTTLED_CODES[:3], (Throttled, "vendor")),
    **dict.fromkeys(TRANSIENT_CODES, (Retryable, None)),
    **dict.fromkeys(TOO_MUCH_CODES, (TooMuchData, None)),
    **dict.fromkeys(TOKEN_CODES, (Unauthorized, "vendor")),
    **dict.fromkeys(ACCESS_CODES, (Fatal, "account")),
    **dict.fromkeys(BUG_CODES, (Fatal, "account")),
    **dict.fromkeys(VENDOR_WIDE_CODES, (Fatal, "vendor")),
}


def reply(body: bytes | str, status: int = 400, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, httpx.Headers(headers or {}), body.encode() if isinstance(body, str) else body, ACCOUNT)


def error(code: int, subcode: int | None = None, message: str = "It went wrong", **more: Any) -> str:
    sub = {} if subcode is None else {"error_subcode": subcode}
    return json.dumps({"error": {"message": message, "type": "OAuthException", "code": code, **sub, **more}})


@pytest.mark.parametrize(("code", "kind"), KINDS.items(), ids=lambda value: str(value) if value[0] in KINDS else "")
def test_law_8_every_code_has_its_kind_whatever_the_http_status(
    code: Code, kind: tuple[type[VendorError], Scope | None]
) -> None:
    for status in (200, 400, 401, 403, 500):
        failure = classify(reply(error(*code), status))
        assert type(failure) is kind[0]
        assert getattr(failure, "scope", None) == kind[1]
        assert failure.account == ACCOUNT
        assert f"code {code[0]}/" in str(failure)


@pytest.mark.parametrize("status", [200, 400, 500])
def test_law_8_code_1_is_too_much_data_only_with_the_words(status: int) -> None:
    bare = json.dumps({"error": {"code": 1, "message": REDUCE}})
    assert type(classify(reply(bare, status))) is TooMuchData
    assert type(classify(reply(error(1, message="An unknown error occurred"), status))) is Retryable


@pytest.mark.parametrize("code", [(100, None), (368, None), (190, 463), (200, None), (2500, None), (999, None)])
def test_law_8_what_meta_calls_transient_is_tried_again_whatever_the_code(code: Code) -> None:
    assert type(classify(reply(error(*code, is_transient=True)))) is Retryable
    assert isinstance(classify(reply(error(*code, is_transient=False))), Fatal)


@pytest.mark.parametrize("code", [(17, 2446079), (80000, 2446079), (4, 1504022)])
def test_law_8_a_throttle_that_is_called_transient_is_still_a_throttle(code: Code) -> None:
    assert type(classify(reply(error(*code, is_transient=True), 403))) is Throttled


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ("<html><body>502 Bad Gateway</body></html>", 502, Retryable),
        ("<html>Service Unavailable</html>", 200, Retryable),
        ("", 200, Retryable),
        ("", 503, Retryable),
        ('{"data": [{"id": "1"}, {"id', 200, Retryable),
        ("{}", 500, Retryable),
        ("{}", 404, Fatal),
        ("{}", 429, Throttled),
        ('{"data": []}', 200, None),
        ("{}", 200, None),
        ("[null]", 200, None),
    ],
)
def test_law_8_answers_without_an_error_object(body: str, status: int, kind: type[VendorError] | None) -> None:
    failure = classify(reply(body, status))
    assert failure is None if kind is None else type(failure) is kind


@pytest.mark.parametrize("name", ["error_subcode", "fbtrace_id", "is_transient", "message"])
def test_law_8_an_error_with_a_null_in_it_keeps_its_kind(name: str) -> None:
    # Read as "not JSON" it would be tried again six times with a dead token.
    told = {
        "message": "Session has expired",
        "code": 190,
        "error_subcode": 463,
        "fbtrace_id": "A",
        "is_transient": False,
    }
    failure = classify(reply(json.dumps({"error": {**told, name: None}}), 401))
    assert type(failure) is Unauthorized


def test_law_8_numbers_written_as_text_are_numbers() -> None:
    body = json.dumps({"error": {"message": "m", "code": "17", "error_subcode": "2446079"}})
    assert type(classify(reply(body))) is Throttled


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ((190, 463), "DATAFLOW_META_ADS__ACCESS_TOKEN"),
        ((2635, None), "DATAFLOW_META_ADS__API_VERSION"),
        ((104, None), "DATAFLOW_META_ADS__APP_SECRET"),
        ((200, None), "DATAFLOW_META_ADS__ACCOUNT_IDS"),
        ((100, 33), "DATAFLOW_META_ADS__ACCOUNT_IDS"),
    ],
)
def test_a_person_is_told_which_setting_to_look_at(code: Code, hint: str) -> None:
    failure = classify(reply(error(*code)))
    assert failure
    assert hint in str(failure)
    assert ACCOUNT in str(failure)


def test_a_wrong_proof_under_code_100_is_told_apart_by_its_words() -> None:
    failure = classify(reply(error(100, message="Invalid appsecret_proof provided in the API argument")))
    assert isinstance(failure, Fatal)
    assert failure.scope == "vendor"
    assert "APP_SECRET" in failure.hint


def test_law_13_a_message_of_metas_that_quotes_a_secret_is_scrubbed() -> None:
    body = error(100, message="Bad call to /me?access_token=EAAB123&appsecret_proof=9f: my-token was refused")
    failure = classify(reply(body), ("my-token",))
    assert failure
    for secret in ("EAAB123", "=9f", "my-token"):
        assert secret not in str(failure) + repr(failure)


# ------------------------------------------------------------------ waits and usage

BUC = "X-Business-Use-Case-Usage"


def use_case(kind: str = "ads_insights", **shares: float) -> dict[str, Any]:
    return {"type": kind, "call_count": 0, "total_cputime": 0, "total_time": 0, **shares}


def test_law_7_the_longest_told_wait_of_all_use_cases_counts() -> None:
    told = {
        "1": [
            use_case(estimated_time_to_regain_access=0),
            use_case("ads_management", estimated_time_to_regain_access=7),
        ],
        "2": [use_case(estimated_time_to_regain_access=3)],
    }
    failure = classify(reply(error(80000, 2446079), 400, {BUC: json.dumps(told)}))
    assert isinstance(failure, Throttled)
    assert failure.wait_seconds == 7 * 60


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-Ad-Account-Usage": '{"acc_id_util_pct":100,"reset_time_duration":299}'}, 299),
        ({BUC: json.dumps({"1": [use_case(estimated_time_to_regain_access=0)]})}, 60),
        ({}, 60),
        ({BUC: "no json", "X-Ad-Account-Usage": "{"}, 60),
    ],
)
def test_law_7_a_wait_that_is_not_in_one_header_is_in_another_or_a_minute(
    headers: dict[str, str], seconds: float
) -> None:
    failure = classify(reply(error(17, 2446079), 400, headers))
    assert isinstance(failure, Throttled)
    assert failure.wait_seconds == seconds


def test_law_7_the_highest_share_of_all_entries_is_what_is_used() -> None:
    told = {
        "1": [use_case(call_count=3, total_time=12), use_case("ads_management", total_cputime=95)],
        "2": [use_case(call_count=40)],
    }
    headers = {
        BUC: json.dumps(told),
        "x-app-usage": '{"call_count":28,"total_time":25,"total_cputime":31}',
        "X-AD-ACCOUNT-USAGE": '{"acc_id_util_pct":9.67,"reset_time_duration":100}',
        "X-FB-Ads-Insights-Throttle": '{"app_id_util_pct":10,"acc_id_util_pct":42.5}',
    }
    assert usage(reply("{}", 200, headers)) == {"account": pytest.approx(0.95), "vendor": pytest.approx(0.31)}


@pytest.mark.parametrize(
    ("header", "text", "scope", "share"),
    [
        ("X-App-Usage", '{"call_count":1,"total_time":2,"total_cputime":120}', "vendor", 1.2),
        ("X-FB-Ads-Insights-Throttle", '{"app_id_util_pct":80,"acc_id_util_pct":0}', "vendor", 0.8),
        ("X-FB-Ads-Insights-Throttle", '{"app_id_util_pct":0,"acc_id_util_pct":42.5}', "account", 0.425),
        ("X-Ad-Account-Usage", '{"acc_id_util_pct":96.5}', "account", 0.965),
    ],
)
def test_law_7_each_header_alone_is_understood(header: str, text: str, scope: Scope, share: float) -> None:
    assert usage(reply("{}", 200, {header: text}))[scope] == pytest.approx(share)


def test_law_7_a_missing_header_says_nothing() -> None:
    # A share of 0 would lift the caution that the answer before it asked for.
    assert usage(reply("{}", 200)) == {}
    assert usage(reply("{}", 200, {"X-App-Usage": '{"call_count":50}'})) == {"vendor": 0.5}


GARBLED = [
    "",
    "null",
    "no json",
    "[]",
    "[1]",
    "5",
    '"text"',
    '{"1": null}',
    '{"1": [null]}',
    '{"1": {}}',
    '{"call_count": "many", "acc_id_util_pct": null, "1": [{"call_count": "many"}]}',
]


@pytest.mark.parametrize("text", GARBLED)
def test_law_7_a_garbled_header_does_not_lose_the_answer_it_came_with(text: str) -> None:
    names = (BUC, "X-App-Usage", "X-Ad-Account-Usage", "X-FB-Ads-Insights-Throttle")
    headers = dict.fromkeys(names, text)
    assert all(share == 0 for share in usage(reply("{}", 200, headers)).values())
    failure = classify(reply(error(17), 400, headers))
    assert isinstance(failure, Throttled)
    assert failure.wait_seconds == 60


# ------------------------------------------------------------------ credentials


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1), st.text(min_size=1))
def test_the_proof_is_the_one_metas_own_sdk_makes(token: str, secret: str) -> None:
    settings = Settings(meta_ads=MetaAdsSettings(access_token=SecretStr(token), app_secret=SecretStr(secret)))
    session = FacebookSession(app_id="1", app_secret=secret, access_token=token)
    assert reading.api(settings).params == {"appsecret_proof": session._gen_appsecret_proof()}


def test_without_an_app_secret_no_proof_is_sent() -> None:
    api = reading.api(Settings(meta_ads=MetaAdsSettings(access_token=SecretStr("t"))))
    assert api.params == {}
    (auth,) = api.auths
    assert asyncio.run(auth.headers(httpx.AsyncClient())) == {"Authorization": "Bearer t"}


def test_law_13_the_description_of_the_api_does_not_show_its_secrets() -> None:
    meta = MetaAdsSettings(access_token=SecretStr("my-token"), app_secret=SecretStr("my-secret"))
    settings = Settings(meta_ads=meta)
    shown = repr(reading.api(settings)) + repr(settings)
    assert "my-token" not in shown
    assert "my-secret" not in shown
