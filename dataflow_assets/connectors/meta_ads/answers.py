"""What Meta's answers mean: kinds of failure, waits, and how much of its budgets is used."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from dataflow_assets.connectors.meta_ads.streams import NAME
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
from dataflow_assets.resources.redact import redact


class _Error(msgspec.Struct):
    # Only message and code are certain; any may be null.
    code: int | None = 0
    message: str | None = ""
    error_subcode: int | None = 0
    is_transient: bool | None = False
    fbtrace_id: str | None = ""


class _Paging(msgspec.Struct):
    cursors: dict[str, str] = {}
    next: str = ""  # holds the token: only its presence is looked at


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"[]")
    paging: _Paging | None = None
    error: _Error | None = None


decode_envelope = msgspec.json.Decoder(_Envelope, strict=False).decode

HTTP_ERROR, HTTP_TOO_MANY, HTTP_SERVER_ERROR = 400, 429, 500
THROTTLED_APP = {4}
THROTTLED = {17, 32, 341, 613, *range(80_000, 80_010), 80_014}
TRANSIENT = {1, 2, 960}
TOO_MUCH = {(100, 1_487_534), (100, 1_504_018), (2, 1_504_038), (-3, 1_504_045)}
REPORT_NOT_READY_CODE, REPORT_NOT_READY_SUBCODE = 2_637, 1_815_107  # said to be done, not readable yet
REQUEST_BUGS = {(2, 1_504_041), (2, 1_504_042)}
NO_ACCESS = {3, 10, 294, *range(200, 300)}
TOKEN_REFUSED = {102, 190}
PROOF_IS_WRONG, VERSION_IS_DEAD = 104, 2_635
WAIT_WHEN_NOT_TOLD_SECONDS = 60.0


def classify(reply: Reply, secrets: tuple[str, ...] = ()) -> VendorError | None:
    """What an answer means, by its body: throttles come as HTTP 400 or 403, and errors can come under HTTP 200."""
    try:
        # A batch answers with a list; its items are classified one by one.
        error = decode_envelope(reply.body).error if reply.body[:1] != b"[" else None
    except msgspec.DecodeError:
        return Retryable(
            f"the answer (HTTP {reply.status}) is not the JSON Meta sends.",
            vendor=NAME,
            account=reply.account,
        )
    if error is None:
        if reply.status < HTTP_ERROR:
            return None
        error = _Error(
            message=f"HTTP {reply.status} without an error object", is_transient=reply.status >= HTTP_SERVER_ERROR
        )
    return _failure(error, reply, secrets)


def _failure(error: _Error, reply: Reply, secrets: tuple[str, ...]) -> VendorError:
    message, subcode = error.message or "", error.error_subcode or 0
    said = redact(message, secrets)
    about = f"Meta answered code {error.code}/{subcode}: {said}"
    about += f" (trace {error.fbtrace_id})." if error.fbtrace_id else "."
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    code, both = error.code, (error.code, subcode)
    if both in TOO_MUCH or (code == 1 and "reduce the amount of data" in message.lower()):
        return TooMuchData(about, **known)
    if code in THROTTLED_APP or code in THROTTLED or reply.status == HTTP_TOO_MANY:
        scope: Scope = "vendor" if code in THROTTLED_APP else "account"
        return Throttled(about, **known, wait_seconds=_told_wait(reply.headers), scope=scope)
    if both in REQUEST_BUGS:
        return Fatal(about, **known, hint="The request is wrong; this needs a new version of the connector.")
    not_ready = code == REPORT_NOT_READY_CODE or subcode == REPORT_NOT_READY_SUBCODE
    if error.is_transient or code in TRANSIENT or not_ready:
        return Retryable(about, **known)
    if code in TOKEN_REFUSED:
        hint = "Make a new token with the scope ads_read and set DATAFLOW_META_ADS__ACCESS_TOKEN."
        return Unauthorized(about, **known, hint=hint)
    if code == VERSION_IS_DEAD:
        hint = "Set DATAFLOW_META_ADS__API_VERSION to a living version."
        return Fatal(about, **known, hint=hint, scope="vendor")
    if code == PROOF_IS_WRONG or "appsecret_proof" in message:
        hint = "Check DATAFLOW_META_ADS__APP_SECRET against the app the token belongs to."
        return Fatal(about, **known, hint=hint, scope="vendor")
    if code in NO_ACCESS or both in {(100, 33), (100, 3_191_001)}:
        hint = "Give the token's user access to the ad account, or take it out of DATAFLOW_META_ADS__ACCOUNT_IDS."
        return Fatal(about, **known, hint=hint)
    return Fatal(about, **known)


def _header(headers: Mapping[str, str], name: str) -> dict[str, Any]:
    """A usage header; an empty one when it is missing or not what it should be."""
    try:
        value = json.loads(headers.get(name, "{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _business_use_cases(headers: Mapping[str, str]) -> list[dict[str, Any]]:
    # Up to 32 businesses with several entries each: all count, not the first alone.
    by_business = _header(headers, "x-business-use-case-usage").values()
    entries = [entry for listed in by_business if isinstance(listed, list) for entry in listed]
    return [entry for entry in entries if isinstance(entry, dict)]


def _told_wait(headers: Mapping[str, str]) -> float:
    minutes = max((_number(e, "estimated_time_to_regain_access") for e in _business_use_cases(headers)), default=0.0)
    seconds = _number(_header(headers, "x-ad-account-usage"), "reset_time_duration")
    return 60 * minutes or seconds or WAIT_WHEN_NOT_TOLD_SECONDS


def usage(reply: Reply) -> dict[Scope, float]:
    """Fractions used of Meta's own budgets, from its four usage headers; a scope no header speaks of is left out."""
    headers = reply.headers
    app = _header(headers, "x-app-usage")
    insights = _header(headers, "x-fb-ads-insights-throttle")
    account = _header(headers, "x-ad-account-usage")
    shares = ("call_count", "total_cputime", "total_time")
    of_account = [_number(entry, share) for entry in _business_use_cases(headers) for share in shares if share in entry]
    of_account += [_number(told, "acc_id_util_pct") for told in (account, insights) if "acc_id_util_pct" in told]
    of_app = [_number(app, share) for share in shares if share in app]
    of_app += [_number(insights, "app_id_util_pct")] if "app_id_util_pct" in insights else []
    found: dict[Scope, float] = {}
    if of_account:
        found["account"] = max(of_account) / 100
    if of_app:
        found["vendor"] = max(of_app) / 100
    return found
