"""The faults that refuse a call: what each answers. `status` and `code` (the serviceErrorCode) can be overridden.

A throttle tells when to come back only when its rule has `seconds`: LinkedIn documents no such header.
"""

from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.linkedin_ads.errors import (
    RestError,
    day_limit,
    expired_token,
    nonexistent_version,
    not_found,
    resource_limit,
    revoked_token,
    throttled,
    value_limit,
)


class Subject:
    """The call that is refused: the version it asked for, the account, and what it wanted to do with which resource."""

    def __init__(self, version: str, account: str | None, resource: str, method: str) -> None:
        self.version = version
        self.account = account
        self.permission = f"{resource}.{method}.{version}01"


Refusal = Callable[[FaultRule, Subject], RestError]


def _segment(rule: FaultRule, _: Subject) -> RestError:
    message = "The limit of segments for this account is reached."
    return throttled(message, code="SEGMENT_LIMIT_EXCEEDED", retry_after=rule.seconds)


def _denied(_rule: FaultRule, subject: Subject) -> RestError:
    message = f"Not enough permissions to access: {subject.permission}"
    return RestError(403, message, code="ACCESS_DENIED", service=100)


REFUSALS: Mapping[str, Refusal] = {
    "throttle_day": lambda rule, _: day_limit("APPLICATION_AND_MEMBER", rule.seconds),
    "throttle_values": lambda rule, _: value_limit(rule.seconds),
    "throttle_resource": lambda rule, _: resource_limit(rule.seconds),
    "throttle_segment": _segment,
    "expired_token": lambda _rule, _subject: expired_token(),
    "revoked_token": lambda _rule, _subject: revoked_token(),
    "access_denied": _denied,
    "not_found_account": lambda _rule, subject: not_found(f"urn:li:sponsoredAccount:{subject.account}"),
    "version_blocked": lambda _rule, subject: nonexistent_version(subject.version),
    "transient_500": lambda _rule, _subject: RestError(500, "Internal Server Error"),
    "maintenance_503": lambda _rule, _subject: RestError(503, "Service Unavailable", code="UNDER_MAINTENANCE"),
    "timeout_408": lambda _rule, _subject: RestError(408, "Request Timeout", code="TIMEOUT"),
    "timeout_504": lambda _rule, _subject: RestError(504, "Gateway Timeout", code="GATEWAY_TIMEOUT"),
}


def refusal(rule: FaultRule, subject: Subject) -> RestError:
    """The error of a rule whose fault refuses."""
    error = REFUSALS[rule.fault](rule, subject)
    error.status = rule.status or error.status
    error.service = rule.code or error.service
    return error
