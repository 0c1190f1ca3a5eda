"""LinkedIn's OAuth: access tokens for 60 days from a refresh token that lasts a year and is never prolonged.

apis/linkedin_ads.md, section 1. An access token says itself when it was made, and is signed, so that none is stored
and they outlive a restart.
"""

import base64
import binascii
import hmac
from collections.abc import Container, Mapping
from datetime import UTC, datetime, time
from hashlib import blake2b
from itertools import count
from struct import Struct, error
from typing import Any
from urllib.parse import parse_qsl

from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.linkedin_ads.errors import RestError, expired_token, revoked_token
from dataflow_assets.sandbox.linkedin_ads.limits import Accounting
from dataflow_assets.sandbox.linkedin_ads.requests import Incoming

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-linkedin-secret"  # noqa: S105 - documented: it opens nothing but this sandbox
REFRESH_TOKEN = "sandbox-linkedin-refresh"  # noqa: S105 - as above
TOKEN = "sandbox-linkedin-token"  # noqa: S105 - as above

EXPIRED_REFRESH_TOKEN = "expired_refresh_token"  # noqa: S105 - the name of a fault
OAUTH_ENDPOINTS = frozenset({"access_token", "introspect"})

_ISSUED_BY = "AQX"
_DAY = 86_400
_ACCESS_DAYS = 60
_SCOPE = "r_ads,r_ads_reporting,rw_ads"
_CONTENT = Struct(">qI")  # when it was issued, in unix seconds, and a number that tells two of one second apart
_SIGNATURE = 12


class OAuthError(Exception):
    """An error as the token endpoint reports it."""

    def __init__(self, status: int, kind: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": kind, "error_description": description}


class OAuth:
    """Gives and checks the tokens of one world. The member's consent was given when the world's history began."""

    def __init__(self, core: Core, accounting: Accounting) -> None:
        self._clock = core.clock
        self._accounting = accounting
        self._key = f"linkedin token {core.world.config.seed}".encode()
        self._consent = int(datetime.combine(core.world.config.start, time(), UTC).timestamp())
        self._numbers = count()
        self._given: dict[str, float] = {}  # tokens that may not work yet, with the limiters' time of their issue

    def answer(self, endpoint: str, incoming: Incoming, faults: Container[str]) -> Mapping[str, Any]:
        """The JSON that an endpoint answers. Raises OAuthError for everything that does not lead to a token."""
        if incoming.method != "POST":
            raise OAuthError(405, "invalid_request", "The token endpoints take POST only")
        form = dict(parse_qsl(incoming.body, keep_blank_values=True))
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise OAuthError(401, "invalid_client", "Client authentication failed")
        return self._refresh(form, faults) if endpoint == "access_token" else self._introspect(form)

    def check(self, token: str) -> None:
        """Raise RestError 401 for a token that is missing, wrong, expired or not yet known everywhere."""
        if not token:
            raise RestError(401, "Empty oauth2_access_token", service=401)
        if token == TOKEN:
            return
        issued = self._issued(token)
        if issued is None:
            raise RestError(401, "Invalid access token", code="INVALID_ACCESS_TOKEN", service=65600)
        if self._clock.epoch() >= self._expires(issued):
            raise expired_token()
        given = self._given.get(token)
        if given is not None and self._accounting.seconds() - given < self._accounting.limits.token_warm_up_seconds:
            raise revoked_token()

    def _refresh(self, form: Mapping[str, str], faults: Container[str]) -> Mapping[str, Any]:
        if form.get("grant_type") != "refresh_token":
            raise OAuthError(400, "unsupported_grant_type", "The sandbox gives access tokens for refresh tokens only")
        if "refresh_token" not in form:
            raise OAuthError(400, "invalid_request", 'A required parameter "refresh_token" is missing')
        now = self._clock.epoch()
        left = self._refresh_ends() - now
        if form["refresh_token"] != REFRESH_TOKEN or left <= 0 or EXPIRED_REFRESH_TOKEN in faults:
            description = "The provided authorization grant or refresh token is invalid, expired or revoked"
            raise OAuthError(400, "invalid_grant", description)
        token = self._write(now)
        self._remember(token)
        return {
            "access_token": token,
            "expires_in": self._expires(now) - now - 1,
            "refresh_token": REFRESH_TOKEN,
            "refresh_token_expires_in": left - 1,
        }

    def _introspect(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        if "token" not in form:
            raise OAuthError(400, "invalid_request", 'A required parameter "token" is missing')
        now = self._clock.epoch()
        issued, expires = now, now + _ACCESS_DAYS * _DAY  # the fixed token is always as good as new
        if form["token"] != TOKEN:
            found = self._issued(form["token"])
            if found is None:
                return {"active": False}
            issued, expires = found, self._expires(found)
        active = now < expires
        return {
            "active": active,
            "status": "active" if active else "expired",
            "auth_type": "3L",
            "authorized_at": self._consent,
            "created_at": issued,
            "expires_at": expires,
            "client_id": CLIENT_ID,
            "scope": _SCOPE,
        }

    def _remember(self, token: str) -> None:
        """Note when a token was issued, while new ones need time to work; forget those that have had it."""
        now, wait = self._accounting.seconds(), self._accounting.limits.token_warm_up_seconds
        self._given = {old: given for old, given in self._given.items() if now - given < wait}
        if wait:
            self._given[token] = now

    def _expires(self, issued: int) -> int:
        """No access token outlives the consent that it stands on."""
        return min(issued + _ACCESS_DAYS * _DAY, self._refresh_ends())

    def _refresh_ends(self) -> int:
        return self._consent + self._accounting.limits.refresh_token_days * _DAY

    def _write(self, issued: int) -> str:
        content = _CONTENT.pack(issued, next(self._numbers))
        return _ISSUED_BY + base64.urlsafe_b64encode(self._sign(content) + content).decode()

    def _issued(self, token: str) -> int | None:
        """When a token was issued; None for one that is not ours."""
        try:
            raw = base64.urlsafe_b64decode(token.removeprefix(_ISSUED_BY))
            issued, _ = _CONTENT.unpack(raw[_SIGNATURE:])
        except (binascii.Error, ValueError, error):
            return None
        good = token.startswith(_ISSUED_BY) and hmac.compare_digest(raw[:_SIGNATURE], self._sign(raw[_SIGNATURE:]))
        return int(issued) if good else None

    def _sign(self, content: bytes) -> bytes:
        return blake2b(content, key=self._key, digest_size=_SIGNATURE).digest()
