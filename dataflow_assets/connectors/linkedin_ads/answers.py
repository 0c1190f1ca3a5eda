"""What LinkedIn's answers mean: kinds of failure, and how long to wait after a throttle."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import msgspec

from dataflow_assets.connectors.linkedin_ads.streams import NAME
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, TooMuchData, Unauthorized, VendorError
from dataflow_assets.resources.http import Reply
from dataflow_assets.resources.redact import redact
from dataflow_assets.windows import ONE_DAY


class _Error(msgspec.Struct):
    # Entities have a `status` too, a text. Which of these an error has depends on the age of the resource.
    status: Any = None
    code: Any = None
    message: Any = None
    serviceErrorCode: Any = None  # noqa: N815  LinkedIn's name


_decode_error = msgspec.json.Decoder(_Error).decode

TOKEN_REFUSED = {"INVALID_ACCESS_TOKEN", "REVOKED_ACCESS_TOKEN", "EXPIRED_ACCESS_TOKEN"}
TOKEN_REFUSED_SERVICE = range(65_600, 65_605)
NOT_YET_KNOWN, NOT_YET_KNOWN_SERVICE = "REVOKED_ACCESS_TOKEN", 65_601
NO_ACCESS = {"ACCESS_DENIED", "NO_PERMISSION_ON_ENTITY", "NOT_FOUND"}
DEAD_VERSION, NO_VERSION = "NONEXISTENT_VERSION", "VERSION_MISSING"
NO_THROTTLE = "SEGMENT_LIMIT_EXCEEDED"
TIMEOUTS = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT}
DAY_QUOTA = "DAY limit"
VALUE_QUOTA = ("data request limit", "45 million")
VALUE_QUOTA_SECONDS, OTHER_QUOTA_SECONDS = 330.0, 60.0
ANALYTICS = "adAnalytics"
GIVE_ACCESS = "Give the token the scopes r_ads and r_ads_reporting, and its member a role in the ad account"


def classify(reply: Reply, secrets: tuple[str, ...] = (), *, is_new_token: bool = False) -> VendorError | None:
    """What an answer means, by its body; the HTTP status counts where the body has none.

    `is_new_token`: the token is seconds old. LinkedIn then may not know it everywhere yet, and calls it revoked.
    """
    try:
        error = _decode_error(reply.body)
    except msgspec.DecodeError:
        error = _Error()
        if reply.status < HTTPStatus.BAD_REQUEST:
            what = f"the answer (HTTP {reply.status}) is not the JSON LinkedIn sends."
            return Retryable(what, vendor=NAME, account=reply.account)
    told = error.status if isinstance(error.status, int) else 0
    status = told if told >= HTTPStatus.BAD_REQUEST else reply.status
    if status < HTTPStatus.BAD_REQUEST:
        return None
    return _failure(error, status, reply, secrets, is_new_token=is_new_token)


def _failure(error: _Error, status: int, reply: Reply, secrets: tuple[str, ...], *, is_new_token: bool) -> VendorError:
    code, service, message = str(error.code or ""), error.serviceErrorCode, f"{error.message or 'no message'}"
    trace = reply.headers.get("x-li-uuid", "none")
    about = f"LinkedIn answered {status} {code or 'without a code'}: {redact(message, secrets)} (trace {trace})."
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    if code == NO_THROTTLE:
        return Fatal(about, **known)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Throttled(about, **known, wait_seconds=_wait(message, reply), scope="endpoint")
    if code in {DEAD_VERSION, NO_VERSION} or status == HTTPStatus.UPGRADE_REQUIRED:
        hint = "Set DATAFLOW_LINKEDIN_ADS__API_VERSION to a living version."
        return Fatal(about, **known, hint=hint, scope="vendor")
    if status == HTTPStatus.UNAUTHORIZED or code in TOKEN_REFUSED or service in TOKEN_REFUSED_SERVICE:
        if is_new_token and (code == NOT_YET_KNOWN or service == NOT_YET_KNOWN_SERVICE):
            return Retryable(about, **known)
        hint = (
            "Make a new token with the scopes r_ads and r_ads_reporting and set DATAFLOW_LINKEDIN_ADS__ACCESS_TOKEN "
            "or DATAFLOW_LINKEDIN_ADS__REFRESH_TOKEN."
        )
        return Unauthorized(about, **known, hint=hint)
    if status in TIMEOUTS:
        # Its reports take longer the more they hold. Listings do not: there it passes.
        return (TooMuchData if resource(reply.path) == ANALYTICS else Retryable)(about, **known)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Retryable(about, **known)
    if code in NO_ACCESS or status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
        return Fatal(about, **known, hint=f"{GIVE_ACCESS}, or take it out of DATAFLOW_LINKEDIN_ADS__ACCOUNT_IDS.")
    return Fatal(about, **known, hint="The request is wrong; this needs a new version of the connector.")


def _wait(message: str, reply: Reply) -> float:
    """Seconds to hold still. LinkedIn documents no Retry-After; one that comes all the same is believed."""
    try:
        return float(reply.headers.get("retry-after", ""))
    except ValueError:
        pass
    if DAY_QUOTA in message:
        now = parsedate_to_datetime(told) if (told := reply.headers.get("date")) else datetime.now(UTC)
        return (datetime.combine(now.date() + ONE_DAY, datetime.min.time(), UTC) - now).total_seconds()
    return VALUE_QUOTA_SECONDS if any(words in message for words in VALUE_QUOTA) else OTHER_QUOTA_SECONDS


def resource(path: str) -> str:
    """What LinkedIn counts calls of: adAccounts, adCampaigns, adAnalytics and so on."""
    return next(part for part in reversed(path.partition("?")[0].split("/")) if not part.isdigit())
