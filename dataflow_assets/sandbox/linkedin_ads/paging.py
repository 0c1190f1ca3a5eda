"""Cursor paging: `pageSize`, `pageToken` and `metadata.nextPageToken`. apis/linkedin_ads.md, section 2.1.

A token is the signed position of a row, so pages neither skip nor repeat rows while the world moves on.
"""

import base64
import binascii
from collections.abc import Container, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any

import msgspec

from dataflow_assets.sandbox.linkedin_ads.errors import invalid_param
from dataflow_assets.sandbox.linkedin_ads.requests import Call

Position = tuple[int, ...]
Row = dict[str, Any]

ROW_FAULTS = frozenset({"unknown_field", "bad_row", "type_changed"})
PAGE_FAULTS = ROW_FAULTS | {"empty_page_with_next", "duplicate_rows", "short_page_with_token"}
PAGING = frozenset({"pageSize", "pageToken"})
DEFAULT_SIZE = 100
_SIGNATURE = 8
# What `bad_row` and `type_changed` spoil: the first of these that a row has.
_SPOILED = ("costInLocalCurrency", "impressions", "clicks", "changeAuditStamps", "lastModifiedAt", "name", "id")
_CHANGED = ("impressions", "clicks", "externalWebsiteConversions", "oneClickLeads", "lastModifiedAt", "id")


@dataclass(frozen=True)
class Start:
    """Where a page begins: behind `after`, or at the top.

    `tricked` marks a token made by a fault. A fault must not strike twice at one place: no client would get past it.
    """

    after: Position | None = None
    tricked: bool = False


class PageTokens:
    """Makes and reads the page tokens of one world."""

    def __init__(self, seed: int) -> None:
        self._key = f"page token {seed}".encode()

    def write(self, call: Call, position: Position, *, tricked: bool) -> str:
        """The token for a position in the answer to a call."""
        content = msgspec.json.encode([position, tricked])
        return base64.urlsafe_b64encode(self._sign(call, content) + content).decode().rstrip("=")

    def read(self, call: Call) -> Start:
        """Where a call wants to go on. Raises RestError for a token that is not ours or belongs to another question."""
        text = call.text("pageToken")
        if not text:
            return Start()
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise invalid_param("pageToken", "it is no page token") from None
        signature, content = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if signature != self._sign(call, content):
            raise invalid_param("pageToken", "it belongs to another question; repeat all other parameters")
        position, tricked = msgspec.json.decode(content)
        return Start(tuple(position), tricked)

    def _sign(self, call: Call, content: bytes) -> bytes:
        asked = sorted((name, value) for name, value in call.params.items() if name not in PAGING)
        question = msgspec.json.encode([call.path, asked])
        return blake2b(question + b"\0" + content, key=self._key, digest_size=_SIGNATURE).digest()


def page_size(call: Call, most: int) -> int:
    """The page size asked for. Raises RestError when it is none, or over `most`."""
    size = call.whole("pageSize", DEFAULT_SIZE)
    if not 1 <= size <= most:
        raise invalid_param("pageSize", f"it must lie between 1 and {most}")
    return size


def page(
    call: Call,
    rows: Iterable[tuple[Position, Row]],
    *,
    tokens: PageTokens,
    start: Start,
    size: int,
    faults: Container[str],
) -> Row:
    """One page: the first `size` of the `rows` behind `start`, with the way to the next, spoiled by `faults`."""
    if "empty_page_with_next" in faults and not start.tricked:
        here = tokens.write(call, start.after or (), tricked=True)
        return {"elements": [], "metadata": {"nextPageToken": here}}
    source = iter(rows)
    taken = list(islice(source, size // 2 or 1 if "short_page_with_token" in faults else size))
    if not taken or next(source, None) is None:
        return {"elements": spoiled([row for _, row in taken], faults), "metadata": {}}
    last, tricked = taken[-1][0], False
    if "duplicate_rows" in faults and not start.tricked:
        last, tricked = (taken[-2][0] if len(taken) > 1 else (start.after or ())), True
    token = tokens.write(call, last, tricked=tricked)
    return {"elements": spoiled([row for _, row in taken], faults), "metadata": {"nextPageToken": token}}


def spoiled(rows: list[Row], faults: Container[str]) -> list[Row]:
    """The rows of a page after the faults that change rows."""
    if "unknown_field" in faults:
        rows = [{**row, "fieldOfTomorrow": {"value": 1}} for row in rows]
    if "type_changed" in faults:
        rows = [_changed(row) for row in rows]
    if "bad_row" in faults and rows:
        name = next((name for name in _SPOILED if name in rows[0]), None)
        if name is not None:
            rows = [{**rows[0], name: "n/a"}, *rows[1:]]
    return rows


def _changed(row: Row) -> Row:
    name = next((name for name in _CHANGED if name in row), None)
    return row if name is None else {**row, name: {"value": row[name]}}
