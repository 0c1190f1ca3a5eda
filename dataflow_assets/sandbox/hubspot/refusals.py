"""The faults that refuse a call: what each answers. `status` can be overridden.

A throttle tells when to come back only when its rule has `seconds`: HubSpot does not always send Retry-After.
"""

from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.hubspot.errors import HubSpotError, bad_token, expired_token, throttled

_MOVING_SECONDS = 86_400.0
_WHOLE = "crm.objects.contacts.read"
TEN_SECONDS, SEARCH, DAY = "throttle_ten_seconds", "throttle_search", "throttle_daily"

Refusal = Callable[[FaultRule], HubSpotError]


def _missing_scopes(_: FaultRule) -> HubSpotError:
    message = "This app hasn't been granted all required scopes to make this call."
    context = {"requiredGranularScopes": [_WHOLE]}
    return HubSpotError(403, message, "MISSING_SCOPES", extra={"context": context})


def _moving(rule: FaultRule) -> HubSpotError:
    wait = _MOVING_SECONDS if rule.seconds is None else rule.seconds
    message = "This account is being moved to another data centre"
    return HubSpotError(477, message, "MIGRATION_IN_PROGRESS", headers={"Retry-After": f"{wait:g}"})


REFUSALS: Mapping[str, Refusal] = {
    TEN_SECONDS: lambda rule: throttled("TEN_SECONDLY_ROLLING", rule.seconds),
    SEARCH: lambda rule: throttled("SECONDLY", rule.seconds),
    DAY: lambda rule: throttled("DAILY", rule.seconds),
    "bad_token": lambda _: bad_token(),
    "expired_token": lambda _: expired_token(),
    "missing_scopes": _missing_scopes,
    "locked_423": lambda _: HubSpotError(423, "The account is locked by a long task. Try again in some seconds"),
    "moving_477": _moving,
    "transient_503": lambda _: HubSpotError(503, "Service unavailable"),
}


def refusal(rule: FaultRule) -> HubSpotError:
    """The error of a rule whose fault refuses."""
    error = REFUSALS[rule.fault](rule)
    error.status = rule.status or error.status
    return error
