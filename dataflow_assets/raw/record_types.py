"""A stream's declaration in, the types its records are decoded into out, and how their values are got at.

Types, bounds and required fields of the declaration become those of msgspec structs. For whole pages there are structs
that keep plain numbers as they were written.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import Annotated, Any, Self

import msgspec

from dataflow_assets.connectors.base import Stream
from dataflow_assets.connectors.records import Column, ColumnType

_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1
_NO_JSON = msgspec.Raw(b"null")


@dataclass
class Node:
    """An object of the vendor's JSON: its values we keep, those we know and do not keep, and its inner objects."""

    columns: dict[str, Column] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)
    inner: dict[str, Self] = field(default_factory=dict)

    @classmethod
    def of(cls, stream: Stream) -> Self:
        """The tree of a stream's paths."""
        root = cls()
        for column in stream.columns:
            *outer, last = column.source_path
            root._at(outer).columns[last] = column
        for path in stream.ignored:
            *outer, last = path.split(".")
            root._at(outer).ignored.add(last)
        return root

    def _at(self, path: Sequence[str]) -> Self:
        node = self
        for part in path:
            node = node.inner.setdefault(part, type(self)())
        return node

    @property
    def names(self) -> set[str]:
        """Every key that is known here."""
        return self.columns.keys() | self.ignored | self.inner.keys()

    @property
    def is_required(self) -> bool:
        """Whether the object must be there, since something in it must."""
        return any(c.required for c in self.columns.values()) or any(n.is_required for n in self.inner.values())


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


def is_kept_as_written(column: Column) -> bool:
    """Whether a number is kept as its digits, where a look at those of a page shows that all are good."""
    return column.type is ColumnType.NUMERIC and not column.parse and column.ge in {None, 0}


def default_of(column: Column, *, as_written: bool = False) -> Any:
    """What a column holds where the vendor leaves it out."""
    if column.type is ColumnType.JSONB and not column.parse:
        return _NO_JSON
    if as_written and is_kept_as_written(column):
        return msgspec.Raw(str(column.default).encode()) if column.default is not None else _NO_JSON
    return Decimal(column.default) if column.default and column.type is ColumnType.NUMERIC else column.default


def _field(column: Column, name: str, *, as_written: bool) -> tuple[Any, ...]:
    if as_written and is_kept_as_written(column):
        return (name, msgspec.Raw) if column.required else (name, msgspec.Raw, default_of(column, as_written=True))
    kind = column.wire or _value_type(column)
    if column.required:
        return (name, kind)
    if column.parse:
        return (name, kind if kind is Any else kind | None, None)
    if column.default is not None or column.type is ColumnType.JSONB:
        return (name, kind, default_of(column))
    return (name, kind | None, None)


def record_type(name: str, node: Node, *, as_written: bool = False) -> type[msgspec.Struct]:
    """The struct of an object; `as_written` keeps the numbers that `is_kept_as_written` as raw JSON."""
    fields = [_field(column, key, as_written=as_written) for key, column in node.columns.items()]
    for head, inner in node.inner.items():
        part = record_type(f"{name}_{head}", inner, as_written=as_written)
        fields.append((head, part) if inner.is_required else (head, part | None, None))
    fields += [(key, msgspec.Raw, _NO_JSON) for key in sorted(node.ignored)]
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True, gc=False)


def getter(column: Column, *, as_written: bool = False) -> Callable[[Any], Any]:
    """Gets a column's value out of a record, whatever object it is in."""
    *outer, last = column.source_path
    if not outer:
        return attrgetter(last)
    missing = default_of(column, as_written=as_written)

    def get(record: Any) -> Any:
        for name in outer:
            record = getattr(record, name)
            if record is None:
                return missing
        return getattr(record, last)

    return get
