"""What every shape needs to know besides the record it shows: whose it is, and how ids and embedded lists look."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_assets.sandbox.stripe import ids
from dataflow_assets.sandbox.world.commerce import Seller
from dataflow_assets.sandbox.world.commerce.records import NEVER, Timeline, instant_of

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """An account's way of showing things, in the current version of the API.

    `redeemed` tells how often a coupon (by serial) was used by an instant.
    """

    seller: Seller
    redeemed: Callable[[int, int], int]
    embedded_rows: int

    def id(self, kind: str, owner: int, serial: int = 0) -> str:
        """The id of a thing of this account."""
        return ids.write(kind, self.seller.index, owner, serial)

    def of(self, kind: str, timeline: Timeline, serial: int = 0) -> str:
        """The id of a thing of a customer."""
        return ids.write(kind, self.seller.index, timeline.customer.number, serial)

    def embedded(self, rows: Sequence[Row], url: str) -> Row:
        """A list inside an object: cut, with the address of the whole."""
        return page(rows[: self.embedded_rows], url, has_more=len(rows) > self.embedded_rows)


def page(rows: Sequence[Row], url: str, *, has_more: bool) -> Row:
    """Stripe's envelope of lists."""
    return {"object": "list", "data": list(rows), "has_more": has_more, "url": url}


def currency_of(timeline: Timeline) -> str:
    """The currency a customer pays in, as Stripe writes it."""
    return timeline.customer.market.currency.lower()


def seen(change: int, tick: int) -> int | None:
    """The instant of a change (a tick), as seen at another tick; None before it."""
    return instant_of(change) if change <= tick and change != NEVER else None
