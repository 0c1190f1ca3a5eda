"""Who calls: the tokens of private apps, and OAuth's access tokens, which last half an hour.

apis/hubspot.md, section 1. An access token says itself when it was made, and is signed, so that none is stored and they
outlive a restart.
"""

import base64
import binascii
import hmac
from collections.abc import Container, Mapping, Sequence
from hashlib import blake2b
from itertools import count
from struct import Struct, error
from typing import Any
from urllib.parse import parse_qsl

from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.hubspot.errors import HubSpotError, OAuthError, bad_token, expired_token, wrong_method
from dataflow_assets.sandbox.hubspot.ids import portal_id
from dataflow_assets.sandbox.hubspot.limits import Accounting
from dataflow_assets.sandbox.hubspot.requests import Incoming
from dataflow_assets.sandbox.world.crm import Portal

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-hubspot-secret"  # noqa: S105 - documented: it opens nothing but this sandbox

TOKEN_PATHS = frozenset({("oauth", "v1", "token"), ("oauth", "v3", "token"), ("oauth", "2026-03", "token")})
REVOKED = "revoked_refresh_token"

_SCOPES = ("crm.objects.contacts.read", "crm.objects.companies.read", "crm.objects.deals.read")
_OWNER_SCOPES = ("crm.objects.owners.read", "crm.schemas.contacts.read", "crm.schemas.deals.read", "oauth")
_CONTENT = Struct(">qHI")  # unix seconds when it was issued, the portal, a number that tells two of one second apart
_SIGNATURE = 12
_FORM = "application/x-www-form-urlencoded"


def private_token(index: int) -> str:
    """The token of the private app in the `index`-th portal; it never expires."""
    return f"pat-sandbox-{index}"


def refresh_token(index: int) -> str:
    """The token by which the OAuth app gets access to the `index`-th portal."""
    return f"sandbox-hubspot-refresh-{index}"


class Auth:
    """Gives and checks the tokens of one world."""

    def __init__(self, core: Core, accounting: Accounting, portals: Sequence[Portal]) -> None:
        self._clock = core.clock
        self._accounting = accounting
        self._portals = portals
        self._key = f"hubspot token {core.world.config.seed}".encode()
        self._numbers = count()

    def check(self, token: str) -> tuple[Portal, bool]:
        """The portal a token opens, and whether it is one of OAuth. Raises HubSpotError 401."""
        for portal in self._portals:
            if token == private_token(portal.index):
                return portal, False
        issued, index = self._read(token)
        if self._clock.epoch() >= issued + self._accounting.limits.access_token_seconds:
            raise expired_token()
        return self._portals[index], True

    def portal_of(self, incoming: Incoming) -> Portal | None:
        """The portal that a request for a token is about."""
        given = _form(incoming).get("refresh_token")
        return next((portal for portal in self._portals if given == refresh_token(portal.index)), None)

    def renew(self, incoming: Incoming, faults: Container[str]) -> Mapping[str, Any]:
        """The JSON with a new access token.

        Raises:
            OAuthError: what was sent does not lead to a token.
            HubSpotError: it was not sent as a form.
        """
        if incoming.method != "POST":
            raise wrong_method("POST")
        if not incoming.headers.get("content-type", "").lower().startswith(_FORM):
            raise HubSpotError(415, f"The body must be of the type {_FORM}")
        form = _form(incoming)
        if form.get("grant_type") != "refresh_token":
            raise OAuthError("BAD_GRANT_TYPE", "The sandbox gives access tokens for refresh tokens only")
        if form.get("client_id") != CLIENT_ID:
            raise OAuthError("BAD_CLIENT_ID", "missing or unknown client id")
        if form.get("client_secret") != CLIENT_SECRET:
            raise OAuthError("BAD_CLIENT_SECRET", "missing or invalid client secret")
        portal = self.portal_of(incoming)
        if portal is None or REVOKED in faults:
            raise OAuthError("BAD_REFRESH_TOKEN", "missing or invalid refresh token")
        return {
            "token_type": "bearer",
            "refresh_token": refresh_token(portal.index),
            "access_token": self._write(portal),
            "hub_id": portal_id(portal.index),
            "scopes": [*_SCOPES, *_OWNER_SCOPES],
            "expires_in": self._accounting.limits.access_token_seconds,
        }

    def _write(self, portal: Portal) -> str:
        content = _CONTENT.pack(self._clock.epoch(), portal.index, next(self._numbers))
        return base64.urlsafe_b64encode(self._sign(content) + content).decode()

    def _read(self, token: str) -> tuple[int, int]:
        try:
            raw = base64.urlsafe_b64decode(token)
            issued, index, _ = _CONTENT.unpack(raw[_SIGNATURE:])
        except (binascii.Error, ValueError, error):
            raise bad_token() from None
        if not hmac.compare_digest(raw[:_SIGNATURE], self._sign(raw[_SIGNATURE:])):
            raise bad_token()
        return issued, index

    def _sign(self, content: bytes) -> bytes:
        return blake2b(content, key=self._key, digest_size=_SIGNATURE).digest()


def _form(incoming: Incoming) -> dict[str, str]:
    return dict(parse_qsl(incoming.body.decode(errors="replace")))
