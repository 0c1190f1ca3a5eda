"""The faults that refuse a call: what each answers. A rule's `status` replaces the HTTP status, `seconds` the delay."""

from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.google_ads import auth, errors, paging
from dataflow_assets.sandbox.google_ads.errors import AdsError, Trouble

_ACCOUNT_SECONDS = 30.0
_PROJECT_SECONDS = 5_400.0

Refusal = Callable[[FaultRule], AdsError]


def _throttle(scope: str, name: str, seconds: float) -> Refusal:
    def refuse(rule: FaultRule) -> AdsError:
        return errors.quota("RESOURCE_EXHAUSTED", scope, name, seconds if rule.seconds is None else rule.seconds)

    return refuse


def _internal(code: str, message: str, status: int) -> Refusal:
    return lambda _: AdsError(Trouble("internalError", code, message), status=status)


def _mixed(_: FaultRule) -> AdsError:
    denied = errors.permission_denied().troubles
    return AdsError(Trouble("internalError", "TRANSIENT_ERROR", "Transient internal error."), *denied, status=403)


REFUSALS: Mapping[str, Refusal] = {
    "throttle_account": _throttle("ACCOUNT", "Number of requests per customer", _ACCOUNT_SECONDS),
    "throttle_project": _throttle("DEVELOPER", "Number of operations for basic access", _PROJECT_SECONDS),
    "throttle_temporary": lambda _: errors.quota("RESOURCE_TEMPORARILY_EXHAUSTED"),
    "throttle_short_term_cost": lambda _: errors.quota("EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION"),
    "throttle_long_term_cost": lambda _: errors.quota("EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"),
    "internal_error": _internal("INTERNAL_ERROR", "Internal error occurred.", 500),
    "transient_error": _internal("TRANSIENT_ERROR", "Transient internal error.", 503),
    "deadline_exceeded": _internal("DEADLINE_EXCEEDED", "The request took longer than its deadline.", 504),
    "unavailable": lambda _: AdsError(status=503),
    "mixed_errors": _mixed,
    "expired_token": lambda _: auth.expired(),
    "revoked_token": lambda _: auth.revoked(),
    "permission_denied": lambda _: errors.permission_denied(),
    "version_blocked": lambda _: unsupported_version(),
}
"""What can be answered instead of anything."""

OF_CUSTOMERS: Mapping[str, Refusal] = {
    "customer_not_enabled": lambda _: errors.not_enabled(),
}
"""What can be answered instead of what was asked about a customer."""

OF_FURTHER_PAGES: Mapping[str, Refusal] = {
    "expired_page_token": lambda _: paging.expired(),
}
"""What can be answered instead of a page that is not the first."""

OF_TOKENS: Mapping[str, tuple[int, str, str]] = {
    "invalid_grant": (400, "invalid_grant", "Token has been expired or revoked."),
    "token_unavailable": (503, "temporarily_unavailable", "The service is busy. Try again later."),
}
"""What the token endpoint can answer instead of a token: status, error, description."""


def unsupported_version() -> AdsError:
    """The version of the API has been sunset."""
    return errors.bad_request("UNSUPPORTED_VERSION", "This version of the API has been sunset: move to a newer one.")
