"""The faults that refuse a call: what each answers."""

from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.stripe.auth import Caller
from dataflow_assets.sandbox.stripe.errors import (
    StripeError,
    expired_key,
    no_access,
    no_permission,
    no_such,
    rate_limited,
)

CURSOR_GONE = "cursor_gone"

Refusal = Callable[[FaultRule, Caller, str], StripeError]
"""Takes the rule that struck, who calls, and the endpoint."""


def _lock_timeout(should_retry: bool | None) -> Refusal:
    message = "This object cannot be accessed right now because another request is currently accessing it."
    return lambda rule, *_: StripeError(rule.status or 429, message, code="lock_timeout", should_retry=should_retry)


def _server_error(status: int, message: str) -> Refusal:
    return lambda rule, *_: StripeError(rule.status or status, message, kind="api_error")


REFUSALS: Mapping[str, Refusal] = {
    "throttle_rate_limit": lambda *_: rate_limited("endpoint-rate", should_retry=None),
    "throttle_rate_limit_should_retry": lambda *_: rate_limited("endpoint-rate", should_retry=True),
    "throttle_lock_timeout": _lock_timeout(None),
    "throttle_lock_timeout_should_retry": _lock_timeout(True),
    "api_error_500": _server_error(500, "An unknown error occurred."),
    "overloaded_503": _server_error(503, "Our servers are currently busy."),
    "conflict_409": _server_error(409, "A conflicting request is in progress."),
    "expired_key": lambda _, caller, __: expired_key(caller.key),
    "permission_denied": lambda _, caller, endpoint: no_permission(caller.key, f"rak_{endpoint}_read", caller.account),
    "revoked_account": lambda _, caller, __: no_access(caller.key, caller.account),
    CURSOR_GONE: lambda *_: no_such("object", "?", "starting_after", status=400),
}
