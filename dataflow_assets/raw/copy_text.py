"""Columns of Python values in, PostgreSQL COPY text out.

Works a column at a time: most columns need no escaping, and one look at the joined column shows it.
"""

from collections.abc import Sequence
from itertools import repeat
from operator import is_
from typing import Any

import msgspec

from dataflow_assets.connectors.records import ColumnType

_SPECIAL = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
NULL = "\\N"
_json = msgspec.json.Encoder().encode


def copy_rows(columns: Sequence[Sequence[Any]], types: Sequence[ColumnType]) -> list[str]:
    """One line per row, without the newline; columns are in table order and of equal length.

    Values of NUMERIC columns are text of digits, those of JSONB columns encoded JSON.
    """
    encoded = [_encode(values, kind) for values, kind in zip(columns, types, strict=True)]
    return list(map("\t".join, zip(*encoded, strict=True)))


def copy_text(value: str) -> str:
    """A single value of text."""
    return value.translate(_SPECIAL)


def _encode(values: Sequence[Any], kind: ColumnType) -> Sequence[str]:
    if not values:
        return []
    if kind is ColumnType.JSONB:
        return _escaped(_documents(values))
    if kind is ColumnType.TEXT:
        return _escaped(values)
    if kind is ColumnType.NUMERIC:
        return _with_nulls(values)
    # Whole numbers, truths and times hold no comma and no letter that matters: the fastest encoder there is will do.
    return _json(values).decode()[1:-1].replace('"', "").replace("null", NULL).split(",")


def _with_nulls(values: Sequence[str | None]) -> Sequence[str]:
    if None in values:
        return [NULL if value is None else value for value in values]
    return values  # type: ignore[return-value]  # no None in it


def _documents(values: Sequence[msgspec.Raw | bytes | None]) -> Sequence[str]:
    if not any(values):
        return [NULL] * len(values)
    # No JSON holds a NUL character, so it can stand between them.
    documents = b"\0".join([b"null" if value is None else value for value in values]).decode()
    if "null" in documents:
        return [NULL if document == "null" else document for document in documents.split("\0")]
    return documents.split("\0")


def _escaped(values: Sequence[str | None]) -> Sequence[str]:
    try:
        whole = "".join(values)  # type: ignore[arg-type]  # a None is found by the join, faster than by looking for it
    except TypeError:
        values = _with_nulls(values)
        whole = "".join(values)
    strings: Sequence[str] = values  # type: ignore[assignment]  # no None in it by now
    nulls = sum(map(is_, strings, repeat(NULL))) if "\\N" in whole else 0
    if whole.count("\\") == nulls and not any(mark in whole for mark in "\t\n\r"):
        return strings
    return [string if string is NULL else string.translate(_SPECIAL) for string in strings]
