"""`expand`: puts whole objects in the place of their ids, and lists that are otherwise left out."""

from collections.abc import Sequence

from dataflow_assets.sandbox.stripe import ids
from dataflow_assets.sandbox.stripe.errors import StripeError, invalid, not_reproduced
from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.shapes.frame import Row
from dataflow_assets.sandbox.stripe.shapes.people import deleted_customer
from dataflow_assets.sandbox.stripe.showing import Showroom
from dataflow_assets.sandbox.stripe.versions import CURRENT

_MOST_LEVELS = 4
_KINDS = (
    "customer",
    "product",
    "price",
    "discount",
    "subscription",
    "invoice",
    "payment_intent",
    "charge",
    "refund",
    "dispute",
    "balance_transaction",
)
# Fields that hold an id, or null where they do not apply.
_REFERENCES = frozenset(
    {
        "balance_transaction",
        "charge",
        "coupon",
        "customer",
        "default_price",
        "discount",
        "discounts",
        "failure_balance_transaction",
        "invoice",
        "latest_charge",
        "latest_invoice",
        "payment_intent",
        "price",
        "product",
        "source",
        "subscription",
    }
)


class Expander:
    """Expands rows of one answer, in its version and at its tick."""

    def __init__(self, room: Showroom, tick: int, version: str) -> None:
        self._room = room
        self._tick = tick
        self._version = version

    def expand(self, row: Row, paths: Sequence[str]) -> None:
        """Expand an object, or a list through `data`. Changes the row.

        Raises:
            StripeError: 400 for what cannot be expanded, or not so deep.
        """
        for path in paths:
            parts = path.split(".")
            if len(parts) > _MOST_LEVELS:
                message = f"You cannot expand more than {_MOST_LEVELS} levels of a property. Property: {path}"
                raise invalid(message, "expand")
            self._walk(row, parts, path)

    def _walk(self, row: Row, parts: list[str], path: str) -> None:
        name, rest = parts[0], parts[1:]
        self._include(row, name)
        if name not in row:
            raise _not_expandable(path)
        value = row[name]
        if isinstance(value, str):
            value = row[name] = self._look_up(name, value, path)
        elif isinstance(value, list):
            value = row[name] = [self._look_up(name, one, path) if isinstance(one, str) else one for one in value]
        elif not isinstance(value, dict) and not (value is None and name in _REFERENCES):
            raise _not_expandable(path)
        if rest:
            for one in value if isinstance(value, list) else [value] if value is not None else []:
                self._walk(one, rest, path)

    def _look_up(self, name: str, text: str, path: str) -> Row:
        if name not in _REFERENCES:
            raise _not_expandable(path)
        kinds = ("coupon",) if name == "coupon" else _KINDS
        for kind in kinds:
            place = ids.read(kind, self._room.frame.seller.index, text)
            thing = self._room.things.find(kind, place) if place else None
            if thing is not None:
                if kind == "customer" and not thing.exists(self._tick):
                    return deleted_customer(self._room.frame, thing.life)
                return self._room.show(thing, self._tick, self._version)
        raise not_reproduced(f"expanding `{path}`", "expand")

    def _include(self, row: Row, name: str) -> None:
        """Put in a list that is left out unless asked for."""
        wanted = (row.get("object"), name)
        if wanted == ("charge", "refunds"):
            self._put(row, name, "refund", f"/v1/refunds?charge={row['id']}")
        elif wanted == ("customer", "subscriptions"):
            self._put(row, name, "subscription", f"/v1/subscriptions?customer={row['id']}")
        elif wanted == ("invoice", "payments") and self._version == CURRENT:
            self._put(row, name, "invoice_payment", f"/v1/invoice_payments?invoice={row['id']}")

    def _put(self, row: Row, name: str, kind: str, url: str) -> None:
        """Put the things of a kind that belong to an object into it, newest first."""
        place = ids.read(row["object"], self._room.frame.seller.index, row["id"])
        thing = self._room.things.find(row["object"], place) if place else None
        if thing is None:
            return
        serials: list[int] = [0]
        if kind == "refund":
            serials = thing.record.refunds[::-1]
        elif kind == "invoice_payment":
            serials = [thing.record.serial]
        rows = [
            self._room.show(found, self._tick, self._version)
            for found in (self._room.things.find(kind, Place(thing.place.owner, serial)) for serial in serials)
            if found is not None and found.exists(self._tick)
        ]
        if kind == "subscription":
            rows = [one for one in rows if one["status"] != "canceled"]
        row[name] = self._room.frame.embedded(rows, url)


def _not_expandable(path: str) -> StripeError:
    return invalid(f"This property cannot be expanded ({path}).", "expand")
