"""A page of JSON records in, checked columns of Python values out; records that break the contract on the side.

Decoding into a typed struct is the gate before the commit: types, bounds and required fields are judged here, record by
record, so that one bad record never costs the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from dataflow_assets.connectors.base import Stream
from dataflow_assets.connectors.records import Column, ColumnType

_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1
_NUL = b"\\u0000"  # PostgreSQL stores no NUL, neither in text nor in jsonb


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
    rejected: list[Rejected] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """How many records were accepted."""
        return len(self.extra)


class Decoder:
    """Decodes the records of one stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        record = _record_type(stream)
        self._page = msgspec.json.Decoder(list[record], strict=False)  # type: ignore[valid-type]
        self._one = msgspec.json.Decoder(record, strict=False)
        self._raw_list = msgspec.json.Decoder(list[msgspec.Raw])
        self._known = set(record.__struct_fields__)
        self._getters = [_getter(column) for column in stream.columns]
        self._decimals = [i for i, c in enumerate(stream.columns) if c.type is ColumnType.NUMERIC]

    def decode(self, records: msgspec.Raw) -> Decoded:
        """Decode a JSON array of records. Raises msgspec.DecodeError when it is not a JSON array."""
        if _NUL not in bytes(records):
            try:
                accepted = self._page.decode(records)
            except (msgspec.ValidationError, msgspec.DecodeError):
                pass  # some record is bad or has an unknown field: find out which, one by one
            else:
                return self._checked(accepted, [None] * len(accepted), [], set())
        return self._one_by_one(records)

    def _one_by_one(self, records: msgspec.Raw) -> Decoded:
        accepted: list[msgspec.Struct] = []
        extras: list[bytes | None] = []
        rejected: list[Rejected] = []
        unknown: set[str] = set()
        for raw in self._raw_list.decode(records):
            try:
                if _NUL in bytes(raw):
                    raise msgspec.ValidationError("holds a NUL character, which PostgreSQL cannot store")
                record, extra = self._with_extra(raw)
            except (msgspec.ValidationError, msgspec.DecodeError) as error:
                rejected.append(Rejected(str(error), bytes(raw).decode("utf-8", "replace")))
                continue
            accepted.append(record)
            extras.append(msgspec.json.encode(extra) if extra else None)
            unknown |= extra.keys()
        return self._checked(accepted, extras, rejected, unknown)

    def _with_extra(self, raw: msgspec.Raw) -> tuple[msgspec.Struct, dict[str, msgspec.Raw]]:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        extra = {name: fields.pop(name) for name in fields.keys() - self._known}
        return self._one.decode(msgspec.json.encode(fields) if extra else raw), extra

    def _checked(
        self,
        records: Sequence[msgspec.Struct],
        extras: list[bytes | None],
        rejected: list[Rejected],
        unknown: set[str],
    ) -> Decoded:
        columns = [[get(record) for record in records] for get in self._getters]
        decoded = Decoded(columns, extras, rejected, unknown)
        # msgspec bounds integers but not decimals, and reads "NaN" as one.
        for index in self._decimals:
            column = self._stream.columns[index]
            low = Decimal(column.ge) if column.ge is not None else None
            bad = [
                row
                for row, value in enumerate(decoded.columns[index])
                if value is not None and (not value.is_finite() or (low is not None and value < low))
            ]
            if bad:
                limit = "a finite number" if low is None else f"a finite number >= {low}"
                reject(decoded, self._stream, bad, f"Expected {limit} - at `$.{column.name}`")
        return decoded


def reject(decoded: Decoded, stream: Stream, rows: Sequence[int], reason: str) -> None:
    """Move accepted rows, by position, to the rejected ones."""
    for row in rows:
        record: dict[str, Any] = {}
        for column, values in zip(stream.columns, decoded.columns, strict=True):
            *outer, last = column.source_path
            branch = record
            for part in outer:
                branch = branch.setdefault(part, {})
            branch[last] = values[row]
        decoded.rejected.append(Rejected(reason, msgspec.json.encode(record).decode()))
    out = set(rows)
    keep = [row for row in range(decoded.rows) if row not in out]
    decoded.columns = [[column[row] for row in keep] for column in decoded.columns]
    decoded.extra = [decoded.extra[row] for row in keep]


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
        fields.append((head, msgspec.defstruct(head.title(), inner, kw_only=True) | None, None))
    fields += [(name, msgspec.Raw, _NO_JSON) for name in stream.ignored]
    return msgspec.defstruct(f"{stream.name}_record", fields, kw_only=True, forbid_unknown_fields=True, gc=False)


def _getter(column: Column) -> Any:
    head, *rest = column.source_path
    if not rest:
        return attrgetter(head)
    outer, inner = attrgetter(head), attrgetter(rest[0])
    return lambda record: None if (part := outer(record)) is None else inner(part)
