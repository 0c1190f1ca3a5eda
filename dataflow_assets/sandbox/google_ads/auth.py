"""The token endpoint and the access tokens it issues: signed, with the end of their life in them, so none is stored."""

from collections.abc import Mapping
from hashlib import blake2b
from hmac import compare_digest

from dataflow_assets.sandbox.google_ads.errors import AdsError, OAuthError, refused

CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-google-secret"  # noqa: S105 - documented: it opens nothing but this sandbox
REFRESH_TOKEN = "sandbox-google-refresh"  # noqa: S105 - as above

_PREFIX = "ya29.sandbox-"
_SCOPE = "https://www.googleapis.com/auth/adwords"


class Tokens:
    """Issues and checks the access tokens of one world. Times are in unix seconds of world time."""

    def __init__(self, seed: int) -> None:
        self._key = f"token {seed}".encode()

    def refresh(self, form: Mapping[str, str], now: int, lifetime: int) -> dict[str, object]:
        """The answer to a form of the token endpoint. Raises OAuthError when it holds anything but our credentials."""
        if "grant_type" not in form:
            raise OAuthError(400, "invalid_request", "Missing required parameter: grant_type")
        if form["grant_type"] != "refresh_token":
            raise OAuthError(400, "unsupported_grant_type", f"Invalid grant_type: {form['grant_type']}")
        if form.get("client_id") != CLIENT_ID:
            raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
        if form.get("client_secret") != CLIENT_SECRET:
            raise OAuthError(401, "invalid_client", "The provided client secret is invalid.")
        if "refresh_token" not in form:
            raise OAuthError(400, "invalid_request", "Missing required parameter: refresh_token")
        if form["refresh_token"] != REFRESH_TOKEN:
            raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
        return {
            "access_token": self._token(now + lifetime),
            "expires_in": lifetime,
            "scope": _SCOPE,
            "token_type": "Bearer",
        }

    def check(self, header: str | None, now: int) -> None:
        """Check an `Authorization` header.

        Raises:
            AdsError: OAUTH_TOKEN_HEADER_INVALID without a bearer token in it, OAUTH_TOKEN_INVALID for one that was
                never issued, OAUTH_TOKEN_EXPIRED for one whose time is over.
        """
        scheme, _, token = (header or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise _bad_token("OAUTH_TOKEN_HEADER_INVALID", "HTTP OAuth header is invalid.")
        expiry = token.removeprefix(_PREFIX).partition("-")[0]
        known = expiry.isascii() and expiry.isdigit() and self._token(int(expiry))
        if not known or not compare_digest(known.encode(), token.encode()):
            raise _bad_token("OAUTH_TOKEN_INVALID", "OAuth token in the header is not valid.")
        if int(expiry) <= now:
            raise expired()

    def _token(self, expiry: int) -> str:
        signature = blake2b(str(expiry).encode(), key=self._key, digest_size=8).hexdigest()
        return f"{_PREFIX}{expiry}-{signature}"


def expired() -> AdsError:
    """The access token was good once: refresh it."""
    return _bad_token("OAUTH_TOKEN_EXPIRED", "OAuth token in the header has expired.")


def revoked() -> AdsError:
    """The access token was taken back."""
    return _bad_token("OAUTH_TOKEN_REVOKED", "OAuth token in the header has been revoked.")


def _bad_token(code: str, message: str) -> AdsError:
    return refused("authenticationError", code, message)
