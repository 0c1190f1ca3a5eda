"""Stripe's error answers. Types, codes and statuses: apis/stripe.md, section 3."""

from collections.abc import Mapping
from typing import Any

import msgspec

from dataflow_assets.sandbox.answers import Answer

_DOCS = "https://docs.stripe.com/error-codes/"


class StripeError(Exception):
    """An error as Stripe reports it. `should_retry` goes into a header of that name; None leaves it out."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        should_retry: bool | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.should_retry = should_retry
        self.headers = dict(headers or {})

    @property
    def throttles(self) -> bool:
        """Whether it tells the client to call less."""
        return self.status == 429  # noqa: PLR2004

    def body(self) -> dict[str, Any]:
        """The JSON of the answer; what does not apply is left out."""
        error: dict[str, Any] = {"type": self.kind, "message": self.message}
        if self.code is not None:
            error |= {"code": self.code, "doc_url": _DOCS + self.code.replace("_", "-")}
        if self.param is not None:
            error["param"] = self.param
        return {"error": error}

    def answer(self) -> Answer:
        """The whole answer."""
        headers = dict(self.headers)
        if self.should_retry is not None:
            headers["Stripe-Should-Retry"] = str(self.should_retry).lower()
        return Answer(self.status, msgspec.json.encode(self.body()), headers=headers)


def invalid(message: str, param: str | None = None, code: str | None = None) -> StripeError:
    """400: a parameter is wrong."""
    return StripeError(400, message, code=code, param=param)


def not_reproduced(what: str, param: str | None = None) -> StripeError:
    """400 for what Stripe offers and the sandbox does not: better refused than answered with other rows."""
    return invalid(f"The sandbox does not reproduce {what}.", param)


def unknown_parameter(name: str) -> StripeError:
    """400 `parameter_unknown`."""
    return invalid(f"Received unknown parameter: {name}", name, "parameter_unknown")


def bad_integer(name: str, value: object) -> StripeError:
    """400 `parameter_invalid_integer`."""
    return invalid(f"Invalid integer: {value}", name, "parameter_invalid_integer")


def missing_parameter(name: str) -> StripeError:
    """400 `parameter_missing`."""
    return invalid(f"Missing required param: {name}.", name, "parameter_missing")


def no_such(what: str, text: str, param: str = "id", status: int = 404) -> StripeError:
    """404 `resource_missing` for a path, 400 for a parameter that names what is not there."""
    return StripeError(status, f"No such {what}: '{text}'", code="resource_missing", param=param)


def unknown_path(method: str, path: str) -> StripeError:
    """404: there is no such address."""
    return StripeError(404, f"Unrecognized request URL ({method}: {path}).")


def no_key() -> StripeError:
    """401: no key was sent."""
    message = "You did not provide an API key; send it as a bearer token or as the user of HTTP Basic."
    return StripeError(401, message, headers={"WWW-Authenticate": 'Basic realm="Stripe"'})


def bad_key(key: str) -> StripeError:
    """401: not a key, or no longer one. Of the key only its end is shown."""
    return StripeError(401, f"Invalid API Key provided: {_hidden(key)}")


def expired_key(key: str) -> StripeError:
    """401 `api_key_expired`: the key was rolled."""
    return StripeError(401, f"Expired API Key provided: {_hidden(key)}", code="api_key_expired")


def no_permission(key: str, right: str, account: str) -> StripeError:
    """403: a restricted key without the right; the message names it."""
    message = (
        f"The provided key '{_hidden(key)}' does not have the required permissions for this endpoint on account "
        f"'{account}'. Having the '{right}' permission would allow this request to continue."
    )
    return StripeError(403, message)


def no_access(key: str, account: str) -> StripeError:
    """403 `account_invalid`: the key may not act for that account, or there is none."""
    message = f"The provided key '{_hidden(key)}' does not have access to account '{account}' (or it does not exist)."
    return StripeError(403, message, code="account_invalid")


def rate_limited(reason: str, *, should_retry: bool | None) -> StripeError:
    """429 `rate_limit`. `reason` names the limiter in a header."""
    return StripeError(
        429,
        "Request rate limit exceeded.",
        code="rate_limit",
        should_retry=should_retry,
        headers={"Stripe-Rate-Limited-Reason": reason},
    )


def _hidden(key: str) -> str:
    return f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 16 else "*" * len(key)  # noqa: PLR2004
