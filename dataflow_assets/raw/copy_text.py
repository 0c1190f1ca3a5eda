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
    """One line per row, without the newline; columns are in table order and of equal length."""
    encoded = [_encode(values, kind) for values, kind in zip(columns, types, strict=True)]
    return list(map("\t".join, zip(*encoded, strict=True)))


def copy_text(value: str) -> str:
    """A single value of text."""
    return value.translate(_SPECIAL)


def _encode(values: Sequence[Any], kind: ColumnType) -> Sequence[str]:
    if not values:
        return []
    if kind is ColumnType.JSONB:
        raws = [None if v is None else bytes(v) for v in values]
        return _escaped([NULL if raw is None or raw == b"null" else raw.decode() for raw in raws])
    if kind is ColumnType.TEXT:
        return _escaped([NULL if v is None else v for v in values] if None in values else values)
    # Numbers, truths and times hold no comma and no letter that matters, so the fastest encoder there is can be used.
    return _json(values).decode()[1:-1].replace('"', "").replace("null", NULL).split(",")


def _escaped(strings: Sequence[str]) -> Sequence[str]:
    whole = "".join(strings)
    nulls = sum(map(is_, strings, repeat(NULL))) if "\\N" in whole else 0
    if whole.count("\\") == nulls and not any(mark in whole for mark in "\t\n\r"):
        return strings
    return [string if string is NULL else string.translate(_SPECIAL) for string in strings]
