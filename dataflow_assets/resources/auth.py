"""How requests prove who they are: a fixed token, or one that is fetched with a refresh token and renewed in time.

Secrets are held here and leave in request headers and forms alone; nothing of them is in a repr or an error.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

import httpx

from dataflow_assets.resources.failures import Fatal, Retryable, Scope
from dataflow_assets.resources.redact import redact

RENEW_BEFORE_SECONDS = 120.0  # a token must outlive the request it goes with
_PASSING = {"internal_failure", "server_error", "temporarily_unavailable", "slow_down"}


class Auth(Protocol):
    """Gives the headers that authorise a request."""

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """The headers. Raises Fatal when a person must act, Retryable for a passing fault."""
        ...

    def refused(self) -> bool:
        """The vendor refused these headers. True when other ones can be had."""
        ...


@dataclass(frozen=True)
class Fixed:
    """Headers that never change."""

    values: Mapping[str, str] = field(repr=False)

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """The headers."""
        del http
        return self.values

    def refused(self) -> bool:
        """There are no others."""
        return False


def bearer(token: str) -> Fixed:
    """A token in the Authorization header."""
    return Fixed({"Authorization": f"Bearer {token}"})


@dataclass
class _Token:
    value: str = field(repr=False)
    good_until: float


# By a digest of what they were fetched with: each raw asset opens a client of its own, and a token serves them all.
_tokens: dict[str, _Token] = {}


@dataclass
class RefreshToken:
    """OAuth 2.0 refresh (RFC 6749, section 6): a form posted to `url` brings a token for `expires_in` seconds."""

    vendor: str
    url: str
    form: Mapping[str, str] = field(repr=False)
    hint: str = ""
    scope: Scope = "vendor"  # whom it concerns that no token can be had: "account" where each account has its own
    on_fetched: Callable[[Mapping[str, Any]], None] = lambda _answer: None  # hears the rest of what the endpoint says
    monotonic: Callable[[], float] = time.monotonic
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def _key(self) -> str:
        parts = "\0".join((self.url, *(part for item in sorted(self.form.items()) for part in item)))
        return hashlib.sha256(parts.encode()).hexdigest()

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """A token that is good for a while, fetched if need be; callers side by side fetch it once."""
        async with self._turn:
            token = _tokens.get(self._key)
            if token is None or self.monotonic() >= token.good_until:
                token = _tokens[self._key] = await self._fetch(http)
        return {"Authorization": f"Bearer {token.value}"}

    def refused(self) -> bool:
        """Forget the token; the next request fetches another."""
        _tokens.pop(self._key, None)
        return True

    async def _fetch(self, http: httpx.AsyncClient) -> _Token:
        form = {"grant_type": "refresh_token", **self.form}
        try:
            # No base URL, no parameters of the API: the token endpoint is often on another host.
            answer = await http.post(self.url, data=form, headers={"Accept": "application/json"})
        except httpx.TransportError as error:
            raise Retryable(
                f"the token endpoint cannot be reached ({type(error).__name__}).", vendor=self.vendor
            ) from None
        body = _json(answer)
        token, lifetime = body.get("access_token"), body.get("expires_in", 3_600)
        if answer.status_code == HTTPStatus.OK and isinstance(token, str) and token:
            seconds = float(lifetime) if isinstance(lifetime, int | float | str) else 3_600.0
            self.on_fetched({name: value for name, value in body.items() if "token" not in name or "expires" in name})
            return _Token(token, self.monotonic() + max(0.0, seconds - RENEW_BEFORE_SECONDS))
        code, said = str(body.get("error", "")), str(body.get("error_description", ""))
        about = redact(
            f"the token endpoint answered HTTP {answer.status_code} {code} {said}", tuple(self.form.values())
        )
        if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or code in _PASSING:
            raise Retryable(f"{about}.", vendor=self.vendor)
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            raise Retryable(f"{about}.", vendor=self.vendor)
        raise Fatal(f"{about}.", vendor=self.vendor, hint=self.hint, scope=self.scope)


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
