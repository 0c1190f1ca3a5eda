"""What Stripe would send to a webhook: signed requests for the events between two instants.

Nothing is sent here; whoever tests a receiver posts the body with the headers, once, twice or late. A few events are
never delivered: those that `GET /v1/events?delivery_success=false` lists.
"""

import hmac
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.shapes.frame import Frame
from dataflow_assets.sandbox.stripe.showing import Showroom, is_delivered
from dataflow_assets.sandbox.stripe.things import Things
from dataflow_assets.sandbox.stripe.versions import CURRENT
from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.commerce import Commerce, Seller
from dataflow_assets.sandbox.world.commerce.keys import first_key, read_key

_EMBEDDED_ROWS = 10
_TWICE_PER_MILLE = 100
_SWAPPED_PER_MILLE = 200


@dataclass(frozen=True)
class Delivery:
    """One request to a webhook endpoint. The signature is over exactly this body."""

    event: str
    created: int
    body: bytes
    headers: Mapping[str, str]


def webhook_secret(account: int) -> str:
    """The secret that the webhooks of an account are signed with."""
    return f"whsec_sandbox_{account}"


def signature(body: bytes, at: int, *secrets: str) -> str:
    """The `Stripe-Signature` of a body sent at an instant; while a secret is being rolled there are two."""
    signed = str(at).encode() + b"." + body
    digests = (hmac.new(secret.encode(), signed, sha256).hexdigest() for secret in secrets)
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


def deliveries(
    commerce: Commerce,
    account: int,
    span: tuple[int, int],
    *,
    sent_at: int | None = None,
    secrets: Sequence[str] = (),
    is_orderly: bool = True,
) -> Iterator[Delivery]:
    """The requests for the events of an account created in [from, to), two instants at most 30 days apart.

    They are signed as of `sent_at` (None: as of each event), with the account's secret unless others are given. Stripe
    promises neither order nor that an event comes once: not `is_orderly`, one in ten comes twice and some come late.
    """
    seller = commerce.sellers[account]
    begin, end = span
    keys = commerce.keys(seller, end)["event"]
    places = [
        Place(*read_key(key)[1:])
        for key in keys[bisect_left(keys, first_key(begin)) : bisect_left(keys, first_key(end))]
    ]
    places = [place for place in places if is_delivered(seller, place)]
    room = _room(commerce, seller, end)
    for place in places if is_orderly else _muddled(seller, places):
        thing = room.things.find("event", place)
        if thing is not None:
            row = room.show(thing, thing.since, CURRENT)
            body = msgspec.json.encode(row)
            at = row["created"] if sent_at is None else sent_at
            signed = signature(body, at, *(secrets or (webhook_secret(account),)))
            headers = {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signed}
            yield Delivery(row["id"], row["created"], body, headers)


def _room(commerce: Commerce, seller: Seller, instant: int) -> Showroom:
    def redeemed(coupon: int, until: int) -> int:
        return commerce.redemptions(seller, coupon, until, instant)

    return Showroom(Things(commerce, seller, instant), Frame(seller, redeemed, _EMBEDDED_ROWS))


def _muddled(seller: Seller, places: list[Place]) -> list[Place]:
    result: list[Place] = []
    identity = salt(seller.salt.hex(), "webhooks")
    for place in places:
        twice, swapped, *_ = draws(identity, place.owner << 24 | place.serial)
        result += [place] * (2 if between(twice, 0, 999) < _TWICE_PER_MILLE else 1)
        if len(result) > 1 and between(swapped, 0, 999) < _SWAPPED_PER_MILLE:
            result[-1], result[-2] = result[-2], result[-1]
    return result
