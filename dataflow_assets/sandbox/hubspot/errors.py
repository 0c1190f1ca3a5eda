"""HubSpot's error answers. Categories and shapes: apis/hubspot.md, section 3; the wording is our own."""

from collections.abc import Mapping
from typing import Any

from dataflow_assets.sandbox.hubspot.ids import PLURALS
from dataflow_assets.sandbox.world.crm import Kind

_TOO_MANY = 429
INVALID, MISSING = "VALIDATION_ERROR", "OBJECT_NOT_FOUND"


class HubSpotError(Exception):
    """An error as HubSpot reports it. `extra` are further fields of the body; `headers` come with this error only."""

    def __init__(
        self,
        status: int,
        message: str,
        category: str | None = None,
        *,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.category = category
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})

    @property
    def throttles(self) -> bool:
        """Whether it says "too many"."""
        return self.status == _TOO_MANY

    def body(self, correlation: str) -> dict[str, Any]:
        """The JSON of the answer: what is not known of it is left out."""
        body: dict[str, Any] = {"status": "error", "message": self.message, "correlationId": correlation}
        if self.category is not None:
            body["category"] = self.category
        if self.throttles:
            body["requestId"] = correlation[::-1]
        return {**body, **self.extra}


class OAuthError(Exception):
    """An error as the token endpoint reports it; its `status` in the body is a word of its own."""

    def __init__(self, word: str, message: str) -> None:
        super().__init__(message)
        self.word = word
        self.message = message

    def body(self, correlation: str) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"status": self.word, "message": self.message, "correlationId": correlation}


def invalid(message: str) -> HubSpotError:
    """400: something about the request is wrong."""
    return HubSpotError(400, message, INVALID)


def invalid_field(name: str, message: str) -> HubSpotError:
    """400 that names a field of the body or a parameter."""
    detail = {"message": message, "code": "INVALID", "in": name, "context": {"name": [name]}}
    return HubSpotError(400, f"Invalid input for {name}: {message}", INVALID, extra={"errors": [detail]})


def not_reproduced(what: str) -> HubSpotError:
    """400 for what HubSpot offers and the sandbox does not: better refused than answered wrongly."""
    return invalid(f"The sandbox does not reproduce {what}.")


def no_route(path: str) -> HubSpotError:
    """404: there is no such address."""
    return HubSpotError(404, f"No resource at {path}")


def no_object(what: str) -> HubSpotError:
    """404: there is no such object, or it was deleted."""
    return HubSpotError(404, f"No {what} with this id", MISSING)


def wrong_method(allowed: str) -> HubSpotError:
    """405. Writing is among what the sandbox does not reproduce."""
    return HubSpotError(405, f"Only {allowed} is possible here: the sandbox is read-only")


def not_in_batch(kind: Kind, ids: list[str]) -> dict[str, Any]:
    """The entry in a batch answer's `errors` for ids that lead nowhere."""
    return {
        "status": "error",
        "category": MISSING,
        "message": f"Some {PLURALS[kind]} could not be read: they do not exist or were deleted",
        "context": {"ids": ids},
    }


def not_linked(record_id: str, kind: Kind, to: Kind) -> dict[str, Any]:
    """The entry in a batch answer's `errors` for a record without associations."""
    return {
        "status": "error",
        "category": MISSING,
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {to} is associated with {kind} {record_id}",
        "context": {"fromObjectId": [record_id], "fromObjectType": [kind], "toObjectType": [to]},
    }


def throttled(policy: str, retry_after: float | None = None) -> HubSpotError:
    """429 of a limit: TEN_SECONDLY_ROLLING, SECONDLY or DAILY. With Retry-After only when it is given, in seconds."""
    messages = {
        "TEN_SECONDLY_ROLLING": "Ten-second rolling limit reached.",
        "SECONDLY": "Limit of one second reached.",
        "DAILY": "Limit of the day reached.",
    }
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    extra = {"errorType": "RATE_LIMIT", "policyName": policy}
    return HubSpotError(_TOO_MANY, messages[policy], "RATE_LIMITS", extra=extra, headers=headers)


def bad_token() -> HubSpotError:
    """401: no token, or none of ours."""
    return HubSpotError(401, "Authentication credentials were not found or are not valid", "INVALID_AUTHENTICATION")


def expired_token() -> HubSpotError:
    """401: the token was good once."""
    return HubSpotError(401, "The OAuth token of this call has expired", "EXPIRED_AUTHENTICATION")
