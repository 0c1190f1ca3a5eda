"""What an answer of Google means, by its body."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

import msgspec

from dataflow_assets.connectors.google_ads.codes import (
    FAMILIES,
    MEANINGS,
    OTHER_VERSION,
    SCOPES,
    STATUS_OF_HTTP,
    STATUSES,
    Meaning,
)
from dataflow_assets.connectors.google_ads.streams import NAME
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, TooMuchData, Unauthorized, VendorError
from dataflow_assets.resources.http import Reply
from dataflow_assets.resources.redact import redact


class _Quota(msgspec.Struct, rename="camel"):
    rate_scope: str | None = None
    retry_delay: str | None = None


class _Details(msgspec.Struct, rename="camel"):
    quota_error_details: _Quota | None = None


class _Error(msgspec.Struct, rename="camel"):
    error_code: dict[str, str] | None = None  # one member: the family of the error, and its name in it
    message: str | None = ""
    details: _Details | None = None


class _Detail(msgspec.Struct, rename="camel"):
    errors: list[_Error] | None = None
    request_id: str | None = ""


class _Trouble(msgspec.Struct):
    message: str | None = ""
    status: str | None = ""
    details: list[_Detail] | None = None


class _Envelope(msgspec.Struct, rename="camel"):
    results: msgspec.Raw = msgspec.Raw(b"[]")
    next_page_token: str = ""
    resource_names: list[str] = []
    error: _Trouble | None = None


decode_envelope = msgspec.json.Decoder(_Envelope).decode
HTTP_ERROR, HTTP_NOT_FOUND, HTTP_TOO_MANY, HTTP_SERVER_ERROR = 400, 404, 429, 500
_LINK = re.compile(r"https?://\S+")


def classify(reply: Reply, secrets: tuple[str, ...] = ()) -> VendorError | None:
    """What an answer means, by the codes in its body, whatever the HTTP status."""
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    try:
        trouble = decode_envelope(reply.body).error
    except msgspec.DecodeError:
        about = f"the answer (HTTP {reply.status}) is not the JSON Google sends."
        if reply.status == HTTP_NOT_FOUND:  # a page of HTML: there is no such version
            return Fatal(about, **known, hint=OTHER_VERSION.hint, scope="vendor")
        if reply.status == HTTP_TOO_MANY:
            return Throttled(about, **known, wait_seconds=Meaning.wait, scope="vendor")
        return Retryable(about, **known)
    if trouble is None:
        if reply.status < HTTP_ERROR:
            return None
        trouble = _Trouble(message="no error object")
    details = trouble.details or []
    by_http = "INTERNAL" if reply.status >= HTTP_SERVER_ERROR else STATUS_OF_HTTP.get(reply.status, "")
    said = _Said(
        trouble.status or by_http or f"HTTP {reply.status}",
        next((detail.request_id for detail in details if detail.request_id), ""),
        known,
        secrets,
    )
    # Google's front ends answer without errors of the Ads API. Of several the gravest counts: only when every one of
    # them passes is it worth while to ask again.
    errors = [error for detail in details for error in detail.errors or []] or [_Error(message=trouble.message)]
    return max((_failure(error, said) for error in errors), key=_gravity)


class _Said(NamedTuple):
    """What the errors of an answer have in common."""

    status: str
    trace: str | None
    known: Mapping[str, Any]
    secrets: tuple[str, ...]


def _failure(error: _Error, said: _Said) -> VendorError:
    family, name = next(iter((error.error_code or {}).items()), ("", ""))
    code = f"{family}.{name}" if family else said.status
    meaning = MEANINGS.get(code) or FAMILIES.get(family) or STATUSES.get(said.status) or Meaning()
    message = redact(_LINK.sub("(link)", error.message or ""), said.secrets).rstrip(".")
    about = f"Google answered {code}: {message}" + (f" (request {said.trace})." if said.trace else ".")
    options: dict[str, Any] = {**said.known, "hint": meaning.hint}
    if issubclass(meaning.kind, Throttled):
        quota = (error.details and error.details.quota_error_details) or _Quota()
        options["wait_seconds"] = _seconds(quota.retry_delay) or meaning.wait
        options["scope"] = SCOPES.get(quota.rate_scope or "", meaning.scope)
    elif issubclass(meaning.kind, Fatal):
        options["scope"] = meaning.scope
    return meaning.kind(about, **options)


def _seconds(duration: str | None) -> float:
    """Seconds of a duration like `5400s` or `1.500s`; 0 for none, or one that cannot be read."""
    try:
        seconds = float((duration or "").removesuffix("s"))
    except ValueError:
        return 0.0
    return seconds if isfinite(seconds) and seconds > 0 else 0.0


def _gravity(failure: VendorError) -> tuple[int, float]:
    if isinstance(failure, Throttled):
        return 1, failure.wait_seconds
    grave = (Retryable, Throttled, TooMuchData, Unauthorized, Fatal)
    return next(rank for rank, kind in enumerate(grave) if isinstance(failure, kind)), 0.0
