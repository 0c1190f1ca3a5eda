"""What HubSpot's answers mean: errors, and how much of its budgets is used."""

from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dataflow_assets.resources.failures import Fatal, Retryable, Scope, Throttled, Unauthorized, VendorError
from dataflow_assets.resources.http import Reply
from dataflow_assets.resources.redact import redact
from dataflow_assets.windows import ONE_DAY, day_start, local_day

NAME = "hubspot"


class Problem(msgspec.Struct, rename="camel"):
    """What went wrong with a part of a request. All fields are optional, and any may be null."""

    message: str | None = None
    category: str | None = None
    sub_category: str | None = None
    context: dict[str, Any] | None = None


class _Told(Problem, rename="camel"):
    status: str | None = None
    error_type: str | None = None
    policy_name: str | None = None
    correlation_id: str | None = None
    errors: list[Problem] | None = None


_decode_told = msgspec.json.Decoder(_Told).decode

HTTP_ERROR, HTTP_UNAUTHORIZED, HTTP_FORBIDDEN, HTTP_TIMEOUT = 400, 401, 403, 408
HTTP_LOCKED, HTTP_TOO_MANY, HTTP_MOVING, HTTP_SERVER_ERROR, HTTP_NO_SUCH_TOKEN = 423, 429, 477, 500, 530
TOKEN_REFUSED = {"INVALID_AUTHENTICATION", "EXPIRED_AUTHENTICATION"}
NO_SCOPE = "MISSING_SCOPES"
SPEAKS_FOR_ITSELF = {*TOKEN_REFUSED, NO_SCOPE, "VALIDATION_ERROR", "OBJECT_NOT_FOUND", "CONFLICT"}
POLICY_WAIT_SECONDS = {"DAILY": 3_600.0, "TEN_SECONDLY_ROLLING": 10.0, "SECONDLY": 1.0}
LOCKED_SECONDS, MOVING_SECONDS, LONGEST_WAIT_SECONDS = 5.0, 3_600.0, 86_400.0
SCOPES = "crm.objects.contacts.read, crm.objects.companies.read, crm.objects.deals.read, crm.objects.owners.read"

# Of each portal: its day ends when its budget of calls is given again. The same for every client of this process.
zones: dict[str, ZoneInfo] = {}


def classify(reply: Reply, secrets: tuple[str, ...] = ()) -> VendorError | None:
    """What an answer means: by its body, and by the HTTP status where the body says nothing."""
    try:
        told = _decode_told(reply.body)
    except ValueError:  # msgspec's errors are ones, and so is text that is not UTF-8
        if reply.status < HTTP_ERROR:
            about = f"the answer (HTTP {reply.status}) is not the JSON HubSpot sends."
            return Retryable(about, vendor=NAME, account=reply.account)
        told = _Told()
    if reply.status < HTTP_ERROR and told.status != "error":
        return None
    said = redact(told.message or "no message", secrets)
    kind = told.policy_name or told.category or "without a category"
    about = f"HubSpot answered HTTP {reply.status} {kind}: {said}"
    about += f" (correlation {told.correlation_id})." if told.correlation_id else "."
    return _throttled(told, reply, about) or _refused(told, reply, about)


def _throttled(told: _Told, reply: Reply, about: str) -> Throttled | None:
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    policy, category, said = told.policy_name or "", told.category or "", _retry_after(reply)
    if policy == "DAILY":
        wait = _until_midnight(reply) or said or POLICY_WAIT_SECONDS[policy]
        return Throttled(about, **known, wait_seconds=wait)
    if category in SPEAKS_FOR_ITSELF:
        return None
    if policy or "RATE_LIMIT" in (told.error_type, category.removesuffix("S")) or reply.status == HTTP_TOO_MANY:
        wait = said or POLICY_WAIT_SECONDS.get(policy, 10.0)
        return Throttled(about, **known, wait_seconds=wait, scope="endpoint")
    if reply.status == HTTP_MOVING:
        return Throttled(about, **known, wait_seconds=said or MOVING_SECONDS)
    if reply.status == HTTP_LOCKED:
        return Throttled(about, **known, wait_seconds=max(2.0, said or LOCKED_SECONDS))
    return None


def _refused(told: _Told, reply: Reply, about: str) -> VendorError:
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    category, status = told.category, reply.status
    by_status = category not in SPEAKS_FOR_ITSELF
    if category in TOKEN_REFUSED or (by_status and status in {HTTP_UNAUTHORIZED, HTTP_NO_SUCH_TOKEN}):
        hint = "Make a new token and set DATAFLOW_HUBSPOT__ACCESS_TOKEN, or grant the app access again."
        # Every portal has a token of its own.
        return Unauthorized(about, **known, hint=hint, scope="account")
    if category == NO_SCOPE or (by_status and status == HTTP_FORBIDDEN):
        hint = f"Give the app these scopes and make a new token: {_missing_scopes(told) or SCOPES}."
        return Fatal(about, **known, hint=hint)
    if by_status and (status < HTTP_ERROR or status == HTTP_TIMEOUT or status >= HTTP_SERVER_ERROR):
        return Retryable(about, **known)
    return Fatal(about, **known, hint="The request is wrong; this needs a new version of the connector.")


def _missing_scopes(told: _Told) -> str:
    contexts = [told.context, *(problem.context for problem in told.errors or ())]
    lists = [listed for context in contexts for name, listed in (context or {}).items() if name.endswith("Scopes")]
    return ", ".join(str(scope) for listed in lists if isinstance(listed, list) for scope in listed)


def _retry_after(reply: Reply) -> float | None:
    try:
        return min(max(float(reply.headers.get("retry-after", "")), 0.0), LONGEST_WAIT_SECONDS)
    except ValueError:
        return None


def _until_midnight(reply: Reply) -> float | None:
    zone, told = zones.get(reply.account or ""), reply.headers.get("date")
    if zone is None or not told:
        return None
    now: datetime = parsedate_to_datetime(told)
    return (day_start(local_day(now, zone) + ONE_DAY, zone) - now).total_seconds()


def usage(reply: Reply) -> dict[Scope, float]:
    """The larger of the fractions used of the day's calls and, but for search, of the ten seconds' calls."""
    pairs = [("daily", "daily-remaining")] + ([] if is_search(reply.path) else [("max", "remaining")])
    shares = []
    for most, left in pairs:
        try:
            whole_budget = float(reply.headers[f"x-hubspot-ratelimit-{most}"])
            shares.append(1 - float(reply.headers[f"x-hubspot-ratelimit-{left}"]) / whole_budget)
        except (KeyError, ValueError, ZeroDivisionError):
            continue
    # Not to the budget of the day: it allows a burst, which a wider spacing would not slow down.
    return {"endpoint": max(shares)} if shares else {}


def is_search(path: str) -> bool:
    """Whether a path is that of a search, which has a budget of its own and no headers that tell of others."""
    return path.endswith("/search")
