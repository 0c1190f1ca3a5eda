"""What the error codes of Google mean, and what a person can do about them."""

from collections.abc import Mapping
from dataclasses import dataclass

from dataflow_assets.resources.failures import (
    Fatal,
    Retryable,
    Scope,
    Throttled,
    TooMuchData,
    Unauthorized,
    VendorError,
)


@dataclass(frozen=True)
class Meaning:
    """What a code means. `wait` is for throttles that tell no time."""

    kind: type[VendorError] = Fatal
    scope: Scope = "account"
    hint: str = ""
    wait: float = 60.0


class NotEnabled(Fatal):
    """The account was cancelled, or its sign-up never finished."""


RENEW = "Make a new refresh token with the scope adwords and set DATAFLOW_GOOGLE_ADS__REFRESH_TOKEN."
_TOKEN = Meaning(Unauthorized, "vendor", RENEW)
_USER = Meaning(scope="vendor", hint=f"The Google user of the refresh token has no access to Google Ads. {RENEW}")
_ACCESS = Meaning(
    hint="Give the user of the refresh token access to the account or to a manager above it, "
    "or take it out of DATAFLOW_GOOGLE_ADS__ACCOUNT_IDS."
)
_GUARDED = Meaning(
    hint="The account demands it of all its users: switch it on for the Google user of the refresh token."
)
_TEST_ONLY = Meaning(hint="The Cloud project may read test accounts only: apply for Explorer or Basic access.")
_PROJECT = Meaning(
    scope="vendor", hint="Check the Google Ads API of the Cloud project that DATAFLOW_GOOGLE_ADS__CLIENT_ID belongs to."
)
_DEVELOPER = Meaning(scope="vendor", hint="Take DATAFLOW_GOOGLE_ADS__DEVELOPER_TOKEN out, or correct it.")
OTHER_VERSION = Meaning(scope="vendor", hint="Set DATAFLOW_GOOGLE_ADS__API_VERSION to a living version.")
_GONE = Meaning(NotEnabled, hint="It was cancelled, or never signed up to the end.")
_LOGIN = Meaning(hint="DATAFLOW_GOOGLE_ADS__LOGIN_CUSTOMER_ID must be the ten digits of a manager account.")
_MANAGER = Meaning(hint="It is a manager account, which has no figures of its own; name its clients instead.")
_TOO_OLD = Meaning(hint="Google keeps daily figures for 37 months: ask for later days.")
_BUG = Meaning(hint="The request is wrong; this needs a new version of the connector.")
_PASSES = Meaning(Retryable)
# The answer outlived its page tokens. It has to be read anew, and in smaller parts to be faster than they expire.
_STALE = Meaning(TooMuchData)

_CODES: tuple[tuple[str, Meaning, str], ...] = (
    # Scope and wait where Google tells none: operations are counted per project, the others per customer.
    ("quotaError", Meaning(Throttled, "vendor", wait=300.0), "RESOURCE_EXHAUSTED"),
    ("quotaError", Meaning(Throttled, wait=10.0), "RESOURCE_TEMPORARILY_EXHAUSTED"),
    ("quotaError", Meaning(Throttled, wait=900.0), "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"),
    ("quotaError", _PROJECT, "ACCESS_PROHIBITED"),
    ("requestError", _STALE, "EXPIRED_PAGE_TOKEN INVALID_PAGE_TOKEN"),
    ("requestError", OTHER_VERSION, "UNSUPPORTED_VERSION"),
    ("requestError", _PROJECT, "CLOUD_PROJECT_NOT_FOUND"),
    ("requestError", _DEVELOPER, "DEVELOPER_TOKEN_PARAMETER_MISSING"),
    ("authenticationError", _USER, "NOT_ADS_USER GOOGLE_ACCOUNT_DELETED"),
    ("authenticationError", _ACCESS, "CUSTOMER_NOT_FOUND CLIENT_CUSTOMER_ID_INVALID"),
    ("authenticationError", _GUARDED, "TWO_STEP_VERIFICATION_NOT_ENROLLED ADVANCED_PROTECTION_NOT_ENROLLED"),
    ("authenticationError", _PROJECT, "ORGANIZATION_NOT_RECOGNIZED ORGANIZATION_NOT_APPROVED"),
    ("authenticationError", _DEVELOPER, "DEVELOPER_TOKEN_INVALID ORGANIZATION_NOT_ASSOCIATED_WITH_DEVELOPER_TOKEN"),
    ("authorizationError", _GONE, "CUSTOMER_NOT_ENABLED INCOMPLETE_SIGNUP"),
    # Of one account: test accounts beside it can be read.
    ("authorizationError", _TEST_ONLY, "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION DEVELOPER_TOKEN_NOT_APPROVED"),
    ("authorizationError", _PROJECT, "PROJECT_DISABLED MISSING_TOS SERVICE_ACCESS_DENIED"),
    ("authorizationError", _PROJECT, "CLOUD_PROJECT_NOT_UNDER_ORGANIZATION"),
    ("authorizationError", _DEVELOPER, "DEVELOPER_TOKEN_PROHIBITED DEVELOPER_TOKEN_NOT_ON_ALLOWLIST"),
    ("headerError", _LOGIN, "INVALID_LOGIN_CUSTOMER_ID"),
    # Both are said of days that are too long ago.
    ("dateRangeError", _TOO_OLD, "INVALID_DATE REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"),
    ("queryError", _MANAGER, "REQUESTED_METRICS_FOR_MANAGER"),
)
MEANINGS = {f"{family}.{name}": meaning for family, meaning, names in _CODES for name in names.split()}
FAMILIES: Mapping[str, Meaning] = {
    "quotaError": Meaning(Throttled),
    "internalError": _PASSES,
    "databaseError": _PASSES,
    "authenticationError": _TOKEN,
    "authorizationError": _ACCESS,
    **dict.fromkeys(("queryError", "requestError", "headerError", "dateError", "dateRangeError"), _BUG),
}
# What Google's front ends say, which know no codes of the Ads API.
STATUSES: Mapping[str, Meaning] = {
    **dict.fromkeys(("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "UNKNOWN"), _PASSES),
    "RESOURCE_EXHAUSTED": Meaning(Throttled, "vendor"),
    "UNAUTHENTICATED": _TOKEN,
    "PERMISSION_DENIED": _PROJECT,
    "NOT_FOUND": OTHER_VERSION,
    "UNIMPLEMENTED": OTHER_VERSION,
}
STATUS_OF_HTTP = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
SCOPES: Mapping[str, Scope] = {"ACCOUNT": "account", "DEVELOPER": "vendor"}
