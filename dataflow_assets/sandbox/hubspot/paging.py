"""Paging of lists, and the faults that strike pages.

The `after` of a list is the signed position of a row, so pages neither skip nor repeat rows while time passes.
"""

import base64
import binascii
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Any, TypeVar

import msgspec

from dataflow_assets.sandbox.hubspot.errors import invalid_field

Position = tuple[int, ...]
Json = dict[str, Any]
_T = TypeVar("_T")

ROW_FAULTS = frozenset({"unknown_field", "bad_row", "type_changed"})
PAGE_FAULTS = ROW_FAULTS | {"empty_page_with_next", "short_page_with_next", "duplicate_rows"}
_SIGNATURE = 8
# What `bad_row` and `type_changed` spoil: the first of these that a record has among its properties, or else in itself.
_SPOILED = ("amount", "numberofemployees", "createdate", "updatedAt", "toObjectId", "displayOrder", "name")
_CHANGED = ("amount", "numberofemployees", "email", "domain", "firstName", "toObjectId", "label", "createdate")


@dataclass(frozen=True)
class Start:
    """Where a page begins: `at` this position, or at the top.

    `tricked` marks a position given by a fault, which must not strike twice at one place: no client would get past it.
    """

    at: Position = ()
    tricked: bool = False


class Tokens:
    """Makes and reads the `after` texts of one world. Each belongs to one question."""

    def __init__(self, seed: int) -> None:
        self._key = f"hubspot after {seed}".encode()

    def write(self, question: str, start: Start) -> str:
        """The text for a position in the answer to a question."""
        content = msgspec.json.encode([start.at, start.tricked])
        return base64.urlsafe_b64encode(self._sign(question, content) + content).decode().rstrip("=")

    def read(self, question: str, text: str | None) -> Start:
        """Where to go on. Raises HubSpotError for a text that is not ours or belongs to another question."""
        if not text:
            return Start()
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            raise invalid_field("after", "it is no position") from None
        signature, content = raw[:_SIGNATURE], raw[_SIGNATURE:]
        if signature != self._sign(question, content):
            raise invalid_field("after", "it belongs to another question")
        position, tricked = msgspec.json.decode(content)
        return Start(tuple(position), tricked)

    def _sign(self, question: str, content: bytes) -> bytes:
        return blake2b(question.encode() + b"\0" + content, key=self._key, digest_size=_SIGNATURE).digest()


def take(
    source: Iterable[tuple[Position, _T]], start: Start, limit: int, faults: Container[str]
) -> tuple[list[_T], Start | None]:
    """The first `limit` of the things from `start` on, and where the next page begins; None when there is none."""
    if "empty_page_with_next" in faults and not start.tricked:
        return [], Start(start.at, tricked=True)
    size = max(1, limit // 2) if "short_page_with_next" in faults else limit
    found = list(islice(source, size + 1))
    page, rest = found[:size], found[size:]
    things = [thing for _, thing in page]
    if not rest:
        return things, None
    if "duplicate_rows" in faults and not start.tricked:
        return things, Start(page[-1][0], tricked=True)
    return things, Start(rest[0][0])


def spoiled(rows: list[Json], faults: Container[str]) -> list[Json]:
    """The rows of a page after the faults that change rows."""
    if "unknown_field" in faults:
        rows = [{**row, "fieldOfTomorrow": {"value": 1}} for row in rows]
    if "type_changed" in faults:
        rows = [_with(row, _CHANGED, lambda value: {"value": value}) for row in rows]
    if "bad_row" in faults and rows:
        rows = [_with(rows[0], _SPOILED, lambda _: "n/a"), *rows[1:]]
    return rows


def _with(row: Json, names: tuple[str, ...], change: Callable[[Any], Any]) -> Json:
    properties = row.get("properties", {})
    for name in names:
        if name in properties:
            return {**row, "properties": {**properties, name: change(properties[name])}}
        if name in row:
            return {**row, name: change(row[name])}
    return row
