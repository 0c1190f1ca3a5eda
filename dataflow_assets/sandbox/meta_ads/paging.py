"""Cursor paging. A cursor is the signed position of a row, so pages neither skip nor repeat rows while figures move."""

import base64
import binascii
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

import msgspec

from dataflow_assets.sandbox.meta_ads.errors import invalid, not_reproduced, reduce_data
from dataflow_assets.sandbox.meta_ads.requests import Call

Position = tuple[int, ...]
Row = dict[str, Any]

PAGE_FAULTS = frozenset({"empty_page_with_next", "duplicate_rows", "unknown_field", "bad_row", "type_changed"})
DEFAULT_LIMIT = 25
_SIGNATURE = 8
# What `bad_row` and `type_changed` spoil, the first of these that a row has.
_SPOILED = ("spend", "impressions", "clicks", "daily_budget", "updated_time", "created_time", "name")


@dataclass(frozen=True)
class Start:
    """Where a page begins: behind `after`, or at the top.

    `tricked` marks a cursor made by a fault. A fault must not strike twice at one place: no client would get past it.
    """

    after: Position | None = None
    tricked: bool = False


class Cursors:
    """Makes and reads the `after` texts of one world."""

    def __init__(self, seed: int) -> None:
        self._key = f"cursor {seed}".encode()

    def write(self, call: Call, position: Position, *, tricked: bool = False) -> str:
        """The text for a position in the answer to a call."""
        payload = msgspec.json.encode([position, tricked])
        return base64.urlsafe_b64encode(self._sign(call, payload) + payload).decode().rstrip("=")

    def read(self, call: Call) -> Start:
        """Where a call wants to go on. Raises GraphError 100 for a cursor that is not ours or of another edge."""
        text = call.params.get("after")
        if "before" in call.params:
            raise not_reproduced("paging backward with `before`")
        if not text:
            return Start()
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise invalid("Invalid cursor") from None
        signature, payload = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if signature != self._sign(call, payload):
            raise invalid("Invalid cursor")
        position, tricked = msgspec.json.decode(payload)
        return Start(tuple(position), tricked)

    def _sign(self, call: Call, payload: bytes) -> bytes:
        edge = "/".join(call.path).encode()
        return blake2b(edge + b"\0" + payload, key=self._key, digest_size=_SIGNATURE).digest()


def page_limit(call: Call, most: int) -> int:
    """The page size asked for. Raises GraphError: 100 when it is no size, 1 ("reduce") when it is over `most`."""
    text = call.params.get("limit", str(DEFAULT_LIMIT))
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise invalid("Param limit must be an integer greater than or equal to 1")
    if int(text) > most:
        raise reduce_data()
    return int(text)


def page(
    call: Call,
    rows: Iterable[tuple[Position, Row]],
    *,
    cursors: Cursors,
    start: Start,
    limit: int,
    faults: Container[str],
) -> Row:
    """One page: the first `limit` of the `rows` behind `start`, with the way to the next, spoiled by `faults`."""
    source: Iterator[tuple[Position, Row]] = iter(rows)
    if "empty_page_with_next" in faults and not start.tricked:
        here = cursors.write(call, start.after if start.after is not None else (), tricked=True)
        return {"data": [], "paging": _paging(call, here, here, limit, more=True)}
    taken = list(islice(source, limit))
    more = next(source, None) is not None
    if not taken:
        return {"data": []}
    last, tricked = taken[-1][0], False
    if "duplicate_rows" in faults and more and not start.tricked:
        last, tricked = (taken[-2][0] if len(taken) > 1 else (start.after or ())), True
    data = [row for _, row in taken]
    if "unknown_field" in faults:
        data = [{**row, "field_of_tomorrow": {"value": "1"}} for row in data]
    spoiled = next((name for name in _SPOILED if name in data[0]), None)
    if spoiled and "bad_row" in faults:
        data[0] = {**data[0], spoiled: "n/a"}
    if spoiled and "type_changed" in faults:
        data = [{**row, spoiled: {"value": row.get(spoiled)}} for row in data]
    before = cursors.write(call, taken[0][0])
    after = cursors.write(call, last, tricked=tricked)
    return {"data": data, "paging": _paging(call, before, after, limit, more=more)}


def _paging(call: Call, before: str, after: str, limit: int, *, more: bool) -> Row:
    paging: Row = {"cursors": {"before": before, "after": after}}
    if more:
        paging["next"] = call.next_url(limit, after)
    return paging
