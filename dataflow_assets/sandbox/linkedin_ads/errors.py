"""LinkedIn's error answers. Codes and shapes: apis/linkedin_ads.md, section 3."""

from collections.abc import Mapping
from typing import Any

_TOO_MANY = 429


class RestError(Exception):
    """An error as LinkedIn reports it.

    `service` is its `serviceErrorCode`. `field` names the input that is wrong; then the answer has the details that
    newer resources give. `headers` come with this error only.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        service: int | None = None,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.service = service
        self.field = field
        self.headers = dict(headers or {})

    @property
    def throttles(self) -> bool:
        """Whether it says "too many"."""
        return self.status == _TOO_MANY

    def body(self) -> dict[str, Any]:
        """The JSON of the answer: what is not known of it is left out, as with LinkedIn's older resources."""
        body: dict[str, Any] = {"status": self.status}
        if self.service is not None:
            body["serviceErrorCode"] = self.service
        if self.code is not None:
            body["code"] = self.code
        body["message"] = self.message
        if self.field is not None:
            body["errorDetailType"] = "com.linkedin.common.error.BadRequest"
            found = {
                "description": self.message,
                "input": {"inputPath": {"fieldPath": self.field}},
                "code": self.code,
            }
            body["errorDetails"] = {"inputErrors": [found], "conditionalInputErrors": []}
        return body


def invalid_param(name: str, why: str = "wrong type or other syntax error") -> RestError:
    """PARAM_INVALID: a parameter cannot be read, or says something that makes no sense."""
    return RestError(400, f"Invalid value for param {name}: {why}", code="PARAM_INVALID", field=name)


def invalid_field(name: str, why: str) -> RestError:
    """FIELD_INVALID: what is asked for cannot be had."""
    return RestError(400, f"Invalid field {name}: {why}", code="FIELD_INVALID", field=name)


def unknown_param(name: str) -> RestError:
    """QUERY_PARAM_NOT_ALLOWED: the resource has no such parameter."""
    return RestError(400, f"Query parameter {name} is not allowed", code="QUERY_PARAM_NOT_ALLOWED", field=name)


def not_reproduced(name: str, what: str) -> RestError:
    """PARAM_INVALID for what LinkedIn offers and the sandbox does not: better refused than answered wrongly."""
    return invalid_param(name, f"the sandbox does not reproduce {what}")


def not_found(what: str) -> RestError:
    """404: there is no such entity, or not for this member."""
    return RestError(404, f"Could not find entity {what}", code="NOT_FOUND", service=100)


def no_resource(path: str) -> RestError:
    """404: there is no such address."""
    return RestError(404, f"No virtual resource found for {path}", code="RESOURCE_NOT_FOUND")


def nonexistent_version(asked: str) -> RestError:
    """426: the version was switched off or never was. LinkedIn names it by its month and a release, `01`."""
    month, _, release = asked.partition(".")
    message = f"Requested version {month}{release or '01'} is not active"
    return RestError(426, message, code="NONEXISTENT_VERSION")


def throttled(why: str, code: str = "TOO_MANY_REQUESTS", retry_after: float | None = None) -> RestError:
    """429. LinkedIn documents no Retry-After, so there is none unless asked for (in seconds)."""
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    return RestError(_TOO_MANY, why, code=code, service=101, headers=headers)


def day_limit(whose: str, retry_after: float | None = None) -> RestError:
    """429: the day's quota of one resource is used up; `whose` is APPLICATION or APPLICATION_AND_MEMBER."""
    why = f"Resource level throttle {whose} DAY limit for calls to this resource is reached."
    return throttled(why, retry_after=retry_after)


def value_limit(retry_after: float | None = None) -> RestError:
    """429: more metric values were read in five minutes than LinkedIn gives."""
    return throttled(
        "Request is throttled: the data request limit has been exceeded. No more than 45 million metric values may be "
        "requested in 5 minutes.",
        retry_after=retry_after,
    )


def resource_limit(retry_after: float | None = None) -> RestError:
    """429: too many calls at once."""
    return throttled(
        "Resource level throttle limit for calls to this resource is reached.",
        retry_after=retry_after,
    )


def revoked_token() -> RestError:
    """401: the member has taken the token back, or it is so new that not all of LinkedIn knows it."""
    message = "The token used in the request has been revoked by the user"
    return RestError(401, message, code="REVOKED_ACCESS_TOKEN", service=65601)


def expired_token() -> RestError:
    """401: the token was good once."""
    message = "The token used in the request has expired"
    return RestError(401, message, code="EXPIRED_ACCESS_TOKEN", service=65602)
