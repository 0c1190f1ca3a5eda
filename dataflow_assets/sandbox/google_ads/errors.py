"""Google's error answers: a GoogleAdsFailure inside the error body of its REST face. apis/google_ads.md, section 3."""

import math
from dataclasses import dataclass, field
from typing import Any

_STATUS_NAMES = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: (
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token.",
    ),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    500: ("INTERNAL", "Internal error encountered."),
    503: ("UNAVAILABLE", "The service is currently unavailable."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
_STATUS_OF_FAMILY = {"authenticationError": 401, "authorizationError": 403, "quotaError": 429, "internalError": 500}


@dataclass(frozen=True)
class Trouble:
    """One entry of a failure: `family` and `code` are the member and value of Google's ErrorCode."""

    family: str
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Its JSON."""
        entry: dict[str, Any] = {"errorCode": {self.family: self.code}, "message": self.message}
        return entry | ({"details": self.details} if self.details else {})


class AdsError(Exception):
    """An answer that is no success. Without troubles it carries no GoogleAdsFailure, as when a front end refused."""

    def __init__(
        self,
        *troubles: Trouble,
        status: int | None = None,
        message: str | None = None,
        other_details: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message or "; ".join(trouble.message for trouble in troubles))
        self.troubles = troubles
        self.status = status or _STATUS_OF_FAMILY.get(troubles[0].family if troubles else "", 400)
        self._message = message
        self._other_details = other_details or []

    @property
    def throttles(self) -> bool:
        """Whether it tells the client to call less."""
        return any(trouble.family == "quotaError" for trouble in self.troubles)

    def body(self, version: str, request_id: str) -> dict[str, Any]:
        """The JSON of the answer, in the types of an API version (`v26`)."""
        name, message = _STATUS_NAMES.get(self.status, ("UNKNOWN", "Unknown error."))
        error: dict[str, Any] = {"code": self.status, "message": self._message or message, "status": name}
        details = list(self._other_details)
        if self.troubles:
            details.append(
                {
                    "@type": f"type.googleapis.com/google.ads.googleads.{version}.errors.GoogleAdsFailure",
                    "errors": [trouble.body() for trouble in self.troubles],
                    "requestId": request_id,
                }
            )
        if details:
            error["details"] = details
        return {"error": error}


def refused(family: str, code: str, message: str) -> AdsError:
    """A failure with one entry."""
    return AdsError(Trouble(family, code, message))


def bad_query(code: str, message: str) -> AdsError:
    """`queryError`: something is wrong with the text of the query."""
    return refused("queryError", code, message)


def bad_request(code: str, message: str) -> AdsError:
    """`requestError`: something is wrong with what came with the query."""
    return refused("requestError", code, message)


def not_reproduced(what: str) -> AdsError:
    """For what Google offers and the sandbox does not: better refused than answered with other rows."""
    return bad_query("QUERY_ERROR", f"The sandbox does not reproduce {what}.")


def bad_payload(field_name: str, message: str) -> AdsError:
    """The body is not the JSON of a request; Google's front end says so, without a GoogleAdsFailure."""
    violation = {"field": field_name, "description": message} if field_name else {"description": message}
    return AdsError(
        message=message,
        other_details=[{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}],
    )


def permission_denied() -> AdsError:
    """The user may not act for this customer, or not through that manager; also for customers that do not exist."""
    return refused(
        "authorizationError",
        "USER_PERMISSION_DENIED",
        "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's "
        "customer id must be set in the 'login-customer-id' header.",
    )


def not_enabled() -> AdsError:
    """The customer was cancelled, or never finished signing up."""
    return refused(
        "authorizationError",
        "CUSTOMER_NOT_ENABLED",
        "The customer account can't be accessed because it is not yet enabled or has been deactivated.",
    )


def quota(code: str, scope: str | None = None, rate_name: str = "", seconds: float | None = None) -> AdsError:
    """`quotaError`: too many calls. With a scope (ACCOUNT or DEVELOPER) it says for how long to stay away."""
    if scope is None or seconds is None:
        text = "Too many requests in a short amount of time." if code.startswith("RESOURCE_T") else "Too many requests."
        return AdsError(Trouble("quotaError", code, text))
    details = {"rateScope": scope, "rateName": rate_name, "retryDelay": duration(seconds)}
    message = f"Too many requests. Retry in {math.ceil(seconds)} seconds."
    return AdsError(Trouble("quotaError", code, message, {"quotaErrorDetails": details}))


def duration(seconds: float) -> str:
    """A protobuf Duration as JSON: whole seconds, or three decimals, and an `s`."""
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{seconds:.3f}s"


class OAuthError(Exception):
    """An error of the token endpoint, which speaks OAuth and knows nothing of failures."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.error = error

    def body(self) -> dict[str, str]:
        """The JSON of the answer."""
        return {"error": self.error, "error_description": str(self)}
