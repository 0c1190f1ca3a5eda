"""A page of JSON records in, checked columns of Python values out; records that break the contract on the side.

Decoding into a typed struct is the gate before the commit: types, bounds and required fields are judged here, record by
record, so that one bad record never costs the others.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from dataflow_assets.connectors.base import Stream
from dataflow_assets.connectors.records import Column, ColumnType

_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Rejected:
    """A record that does not keep the contract, as it came, and why."""

    reason: str
    payload: str


@dataclass
class Decoded:
    """Accepted records as columns, in the order of `Stream.columns`; `extra` holds unknown fields as JSON, or None."""

    columns: list[list[Any]]
    extra: list[bytes | None]
    raws: Callable[[], list[msgspec.Raw]]  # the accepted records as they came; asked for only when one is rejected
    rejected: list[Rejected] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """How many records were accepted."""
        return len(self.extra)

    def reject(self, rows: Sequence[int], reason: str) -> None:
        """Move accepted records, by position, to the rejected ones, as they came."""
        raws, out = self.raws(), set(rows)
        self.rejected += [Rejected(reason, _text(raws[row])) for row in rows]
        keep = [row for row in range(self.rows) if row not in out]
        self.columns = [[column[row] for row in keep] for column in self.columns]
        self.extra = [self.extra[row] for row in keep]
        kept = [raws[row] for row in keep]
        self.raws = lambda: kept


class Decoder:
    """Decodes the records of one stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        record = _record_type(stream)
        self._page = msgspec.json.Decoder(list[record], strict=False)  # type: ignore[valid-type]
        self._one = msgspec.json.Decoder(record, strict=False)
        self._known = set(record.__struct_fields__)
        self._nested = _nested_names(stream)
        self._getters = [_getter(column) for column in stream.columns]
        self._decimals = [i for i, c in enumerate(stream.columns) if c.type is ColumnType.NUMERIC]

    def decode(self, records: msgspec.Raw) -> Decoded:
        """Decode a JSON array of records. Raises ValueError when it is not a JSON array."""
        if not _SUSPICIOUS.search(bytes(records)):
            try:
                accepted = self._page.decode(records)
            except ValueError:  # msgspec's errors are ones, and so is text that is not UTF-8
                pass  # some record is bad or has an unknown field: find out which, one by one
            else:
                return self._checked(accepted, [None] * len(accepted), lambda: _records(records), [], set())
        return self._one_by_one(records)

    def _one_by_one(self, records: msgspec.Raw) -> Decoded:
        accepted: list[msgspec.Struct] = []
        extras: list[bytes | None] = []
        raws: list[msgspec.Raw] = []
        rejected: list[Rejected] = []
        unknown: set[str] = set()
        for raw in _records(records):
            try:
                _refuse_unstorable(raw)
                record, extra = self._with_extra(raw)
            except ValueError as error:
                rejected.append(Rejected(str(error), _text(raw)))
                continue
            accepted.append(record)
            extras.append(msgspec.json.encode(extra) if extra else None)
            raws.append(raw)
            unknown |= _paths(extra)
        return self._checked(accepted, extras, lambda: raws, rejected, unknown)

    def _with_extra(self, raw: msgspec.Raw) -> tuple[msgspec.Struct, dict[str, Any]]:
        fields: dict[str, Any] = _fields(raw)
        extra: dict[str, Any] = {name: fields.pop(name) for name in fields.keys() - self._known}
        for head, known in self._nested.items():
            if head in fields and bytes(fields[head])[:1] == b"{":
                inner = _fields(fields[head])
                if unknown := {name: inner.pop(name) for name in inner.keys() - known}:
                    fields[head], extra[head] = inner, unknown
        return self._one.decode(msgspec.json.encode(fields) if extra else raw), extra

    def _checked(
        self,
        records: Sequence[msgspec.Struct],
        extras: list[bytes | None],
        raws: Callable[[], list[msgspec.Raw]],
        rejected: list[Rejected],
        unknown: set[str],
    ) -> Decoded:
        columns = [[get(record) for record in records] for get in self._getters]
        decoded = Decoded(columns, extras, raws, rejected, unknown)
        # msgspec bounds integers but not decimals, and reads "NaN" as one.
        for index in self._decimals:
            column = self._stream.columns[index]
            low = Decimal(column.ge) if column.ge is not None else None
            bad = [
                row
                for row, value in enumerate(decoded.columns[index])
                if value is not None and not (_is_storable(value) and (low is None or value >= low))
            ]
            if bad:
                limit = "a finite number" + ("" if low is None else f" >= {low}")
                decoded.reject(bad, f"Expected {limit} - at `$.{column.name}`")
        return decoded


# What PostgreSQL refuses even inside jsonb: NUL characters and numbers of absurd size. A look at the whole page finds
# what might be one; which record holds one, and whether it does, is judged record by record.
_SUSPICIOUS = re.compile(rb"\\u0000|\d[eE][+-]?\d{3}")
_LARGEST_EXPONENT = 1_000


def _is_storable(number: Decimal) -> bool:
    return number.is_finite() and abs(number.adjusted()) <= _LARGEST_EXPONENT


def _refuse_unstorable(raw: msgspec.Raw) -> None:
    if not _SUSPICIOUS.search(bytes(raw)):
        return

    def number(text: str) -> Decimal:
        value = Decimal(text)
        if not _is_storable(value):
            raise ValueError(f"Number beyond what PostgreSQL can store: {text[:40]}")
        return value

    if "\x00" in _strings(json.loads(bytes(raw), parse_float=number)):
        raise ValueError("Holds a NUL character, which PostgreSQL cannot store")


def _strings(value: Any) -> str:
    if isinstance(value, dict):
        return "".join(name + _strings(inner) for name, inner in value.items())
    if isinstance(value, list):
        return "".join(map(_strings, value))
    return value if isinstance(value, str) else ""


_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_scan = json.JSONDecoder().raw_decode
_BETWEEN = " \t\r\n,"


def _records(page: msgspec.Raw) -> list[msgspec.Raw]:
    """The records of a page, as they came. Raises ValueError when it is not a JSON array."""
    try:
        return _raw_list(page)
    except msgspec.DecodeError as error:
        # One half of a surrogate pair, which a cut emoji leaves, makes the page unreadable for msgspec; Python's own
        # parser finds the borders of the records all the same.
        try:
            return _scanned(bytes(page).decode().strip())
        except ValueError:
            raise error from None


def _scanned(text: str) -> list[msgspec.Raw]:
    if text[:1] + text[-1:] != "[]":
        raise ValueError("not a JSON array")
    found, position = [], _skip(text, 1)
    while position < len(text) - 1:
        _, end = _scan(text, position)
        found.append(msgspec.Raw(text[position:end].encode()))
        position = _skip(text, end)
    return found


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] in _BETWEEN:
        position += 1
    return position


def _text(raw: msgspec.Raw) -> str:
    return bytes(raw).decode("utf-8", "replace")


_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _nested_names(stream: Stream) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {}
    for column in stream.columns:
        head, *rest = column.source_path
        if rest:
            names.setdefault(head, set()).add(rest[0])
    return names


def _paths(extra: dict[str, Any]) -> set[str]:
    return {
        path
        for name, value in extra.items()
        for path in ([f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name])
    }


def _value_type(column: Column) -> Any:
    low = column.ge if column.ge is not None else _BIGINT_MIN
    return {
        ColumnType.TEXT: Annotated[str, msgspec.Meta(min_length=1)] if column.required else str,
        ColumnType.BIGINT: Annotated[int, msgspec.Meta(ge=low, le=_BIGINT_MAX)],
        ColumnType.NUMERIC: Decimal,
        ColumnType.BOOLEAN: bool,
        ColumnType.DATE: date,
        ColumnType.TIMESTAMPTZ: Annotated[datetime, msgspec.Meta(tz=True)],
        ColumnType.JSONB: msgspec.Raw,
    }[column.type]


def _field(column: Column, name: str) -> tuple[Any, ...]:
    kind = _value_type(column)
    if column.required:
        return (name, kind)
    if column.default is not None:
        default = Decimal(column.default) if column.type is ColumnType.NUMERIC else column.default
        return (name, kind, default)
    return (name, kind | None, None) if column.type is not ColumnType.JSONB else (name, kind, _NO_JSON)


_NO_JSON = msgspec.Raw(b"null")


def _record_type(stream: Stream) -> type[msgspec.Struct]:
    fields: list[tuple[Any, ...]] = []
    parts: dict[str, list[tuple[Any, ...]]] = {}
    for column in stream.columns:
        head, *rest = column.source_path
        if rest:
            parts.setdefault(head, []).append(_field(column, rest[0]))
        else:
            fields.append(_field(column, head))
    for head, inner in parts.items():
        part = msgspec.defstruct(f"{stream.name}_{head}", inner, kw_only=True, forbid_unknown_fields=True)
        fields.append((head, part | None, None))
    fields += [(name, msgspec.Raw, _NO_JSON) for name in stream.ignored]
    return msgspec.defstruct(f"{stream.name}_record", fields, kw_only=True, forbid_unknown_fields=True, gc=False)


def _getter(column: Column) -> Any:
    head, *rest = column.source_path
    if not rest:
        return attrgetter(head)
    outer, inner = attrgetter(head), attrgetter(rest[0])
    return lambda record: None if (part := outer(record)) is None else inner(part)
