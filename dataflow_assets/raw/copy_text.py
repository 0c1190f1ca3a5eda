"""Columns of Python values in, PostgreSQL COPY text out.

Works a column at a time: most columns need no escaping, and one look at the joined column shows it.
"""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from dataflow_assets.connectors.records import ColumnType

_SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
NULL = "\\N"


def copy_rows(columns: Sequence[Sequence[Any]], types: Sequence[ColumnType]) -> list[str]:
    """One line per row, without the newline; columns are in table order and of equal length."""
    encoded = [_encode(values, kind) for values, kind in zip(columns, types, strict=True)]
    return list(map("\t".join, zip(*encoded, strict=True)))


def _encode(values: Sequence[Any], kind: ColumnType) -> Sequence[str]:
    convert = _CONVERT[kind]
    if kind is ColumnType.JSONB:
        strings = [NULL if v is None or (raw := bytes(v)) == b"null" else raw.decode() for v in values]
        return _escaped(strings)
    if None in values:
        strings = [NULL if v is None else convert(v) for v in values]
        return _escaped(strings) if kind is ColumnType.TEXT else strings
    strings = values if kind is ColumnType.TEXT else list(map(convert, values))  # type: ignore[assignment]
    return _escaped(strings) if kind is ColumnType.TEXT else strings


def _escaped(strings: Sequence[str]) -> Sequence[str]:
    whole = "".join(strings)
    nulls = sum(string is NULL for string in strings) if "\\N" in whole else 0
    if whole.count("\\") == nulls and not any(mark in whole for mark in "\t\n\r"):
        return strings
    return [string if string is NULL else string.translate(_SPECIAL) for string in strings]


_CONVERT: dict[ColumnType, Callable[[Any], str]] = {
    ColumnType.TEXT: str,
    ColumnType.BIGINT: str,
    ColumnType.NUMERIC: str,
    ColumnType.BOOLEAN: lambda value: "t" if value else "f",
    ColumnType.DATE: date.isoformat,
    ColumnType.TIMESTAMPTZ: datetime.isoformat,
    ColumnType.JSONB: str,
}
