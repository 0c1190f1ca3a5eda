"""Page tokens. A token holds where the next page begins and the instant of the first one, signed with the query's text.

All pages of an answer show what was known when it began, as Google keeps the result it has made; nothing is stored.
"""

import base64
import binascii
from dataclasses import dataclass
from hashlib import blake2b

import msgspec

from dataflow_assets.sandbox.google_ads.errors import AdsError, bad_request
from dataflow_assets.sandbox.google_ads.rows import Position

_SIGNATURE = 8


@dataclass(frozen=True)
class Start:
    """Where a page begins.

    It shows what was known at `instant`, behind `after` (None: from the top), with `served` rows before it. `counted`
    says that the number of all results was asked for at first. `tricked` marks a token made by a fault. A fault must
    not strike twice at one place: no client would get past it.
    """

    instant: int
    after: Position | None = None
    served: int = 0
    counted: bool = False
    tricked: bool = False


class PageTokens:
    """Makes and reads the page tokens of one world."""

    def __init__(self, seed: int) -> None:
        self._key = f"page {seed}".encode()

    def write(self, customer: str, query: str, start: Start) -> str:
        """The token for the page that begins there."""
        payload = msgspec.msgpack.encode((start.instant, start.after, start.served, start.counted, start.tricked))
        return base64.urlsafe_b64encode(self._sign(customer, query, payload) + payload).decode().rstrip("=")

    def read(self, customer: str, query: str, token: str, now: int, lifetime: float) -> Start:
        """Where a token leads.

        Raises:
            AdsError: INVALID_PAGE_TOKEN for one that was not made for this query, EXPIRED_PAGE_TOKEN for an old one.
        """
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            raise _invalid() from None
        signature, payload = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if signature != self._sign(customer, query, payload):
            raise _invalid()
        instant, after, served, counted, tricked = msgspec.msgpack.decode(payload)
        if now - instant > lifetime:
            raise expired()
        return Start(instant, None if after is None else tuple(after), served, counted, tricked)

    def _sign(self, customer: str, query: str, payload: bytes) -> bytes:
        text = f"{customer}\0{query}\0".encode()
        return blake2b(text + payload, key=self._key, digest_size=_SIGNATURE).digest()


def expired() -> AdsError:
    """The token was good once: begin again with the first page."""
    return bad_request("EXPIRED_PAGE_TOKEN", "The page token has expired. Start again from the first page.")


def _invalid() -> AdsError:
    return bad_request("INVALID_PAGE_TOKEN", "The page token does not belong to this query.")
