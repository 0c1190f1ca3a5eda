"""What Stripe's answers mean, where it is asked, and how fast."""

import re
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec

from dataflow_assets.resources.auth import bearer
from dataflow_assets.resources.budget import Limit
from dataflow_assets.resources.failures import Fatal, Retryable, Scope, Throttled, Unauthorized, VendorError
from dataflow_assets.resources.http import Reply, VendorApi
from dataflow_assets.resources.redact import MASK, redact
from dataflow_assets.settings import Settings
from dataflow_assets.vendor_settings import parts

NAME = "stripe"
VERSION_HEADER = "Stripe-Version"

THROTTLED, LOCKED = "rate_limit", "lock_timeout"
KEY_REFUSED = {"api_key_expired", "platform_api_key_expired"}
GONE = "resource_missing"
# 409 is another request at the same object, 424 a part of Stripe that does not answer.
PASSING = {HTTPStatus.CONFLICT, HTTPStatus.FAILED_DEPENDENCY}
WAIT_WHEN_NOT_TOLD_SECONDS = 2.0
# Stripe quotes the ends of a key, with the middle starred out.
_KEYS = re.compile(r"\b[a-z]{2}_(?:live|test)_[\w*]+")


class Gone(Fatal):
    """What was asked for is not there, or not any more."""


class _Error(msgspec.Struct):
    type: str | None = ""
    code: str | None = ""
    message: str | None = ""


class _Answer(msgspec.Struct):
    error: _Error | None = None


_decode_answer = msgspec.json.Decoder(_Answer).decode


def classify(reply: Reply, secrets: tuple[str, ...] = ()) -> VendorError | None:
    """What an answer means: by the code in its body where Stripe gives one, else by the HTTP status."""
    try:
        error = _decode_answer(reply.body).error
    except msgspec.DecodeError:
        about = f"the answer (HTTP {reply.status}) is not the JSON Stripe sends."
        return Retryable(about, vendor=NAME, account=reply.account)
    if error is None:
        if reply.status < HTTPStatus.BAD_REQUEST:
            return None
        error = _Error(message="no error object")
    return _failure(error, reply, secrets)


def _failure(error: _Error, reply: Reply, secrets: tuple[str, ...]) -> VendorError:
    status, code, message = reply.status, error.code or "", error.message or ""
    said = _KEYS.sub(MASK, redact(message, secrets)).removesuffix(".")
    kind = " ".join(filter(None, (f"HTTP {status}", code or error.type)))
    about = f"Stripe answered {kind}: {said} (request {reply.headers.get('request-id', 'unknown')})."
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    should_retry = reply.headers.get("stripe-should-retry")
    if status == HTTPStatus.TOO_MANY_REQUESTS or code in {THROTTLED, LOCKED}:
        # What Stripe says of retrying is about a request; about a rate it says nothing but "less".
        return Throttled(about, **known, wait_seconds=_told_wait(reply), scope=_throttled_scope(code, reply))
    if should_retry == "true":
        return Retryable(about, **known)
    if status == HTTPStatus.UNAUTHORIZED or code in KEY_REFUSED:
        hint = "Make a new key with read rights and put it into DATAFLOW_STRIPE__API_KEY."
        return Unauthorized(about, **known, hint=hint, scope="account")
    if status == HTTPStatus.FORBIDDEN:
        hint = f"In the dashboard, under Developers, API keys, give the key the right to read {_resource(reply.path)}."
        return Fatal(about, **known, hint=hint)
    if code == GONE:
        return Gone(about, **known)
    passing = status in PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.type == "api_error"
    if passing and should_retry != "false":
        return Retryable(about, **known)
    if "api version" in message.lower():
        return Fatal(about, **known, hint="Set DATAFLOW_STRIPE__API_VERSION to one that Stripe has.", scope="vendor")
    return Fatal(about, **known)


def _told_wait(reply: Reply) -> float:
    # Stripe documents no such header; a gateway on the way may send one.
    told = reply.headers.get("retry-after", "")
    return float(told) if told.isdecimal() else WAIT_WHEN_NOT_TOLD_SECONDS


def _throttled_scope(code: str, reply: Reply) -> Scope:
    reason = reply.headers.get("stripe-rate-limited-reason", "")
    return "endpoint" if code == LOCKED or reason.startswith(("endpoint", "resource")) else "account"


def _resource(path: str) -> str:
    return path.partition("/")[0].replace("_", " ")


def endpoint(path: str) -> str:
    """The operation a request counts against: to Stripe all ids are alike."""
    head, *rest = path.split("/")
    return "/".join((head, *("{id}" if place == 0 else part for place, part in enumerate(rest))))


def api(settings: Settings) -> VendorApi:
    """The API in the pinned version, with one credential per key."""
    stripe = settings.stripe
    keys = parts(stripe.api_key)
    most_accounts = max(1, len(keys) + len(stripe.account_ids))

    def limit(key: str, requests: int) -> Limit:
        # Of 25 a second 20 are the rate, and the burst is the rest.
        return Limit(key, requests=requests, seconds=1, burst=max(1, requests // 4))

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        rate = stripe.requests_per_second
        # Stripe limits accounts and not programs: this one is only for requests that are about no account yet.
        found: dict[Scope, Limit] = {"vendor": limit(NAME, rate * most_accounts)}
        if account:
            found["account"] = limit(f"{NAME}:{account}", rate)
            found["endpoint"] = limit(
                f"{NAME}:{account}:{endpoint(path)}", min(rate, stripe.endpoint_requests_per_second)
            )
        return found

    return VendorApi(
        name=NAME,
        base_url=f"{stripe.base_url.rstrip('/')}/v1/",
        auths=tuple(map(bearer, keys or ("",))),
        headers={VERSION_HEADER: stripe.api_version},
        classify=partial(classify, secrets=keys),
        usage=lambda _reply: {},  # Stripe does not tell
        limits=limits,
    )
