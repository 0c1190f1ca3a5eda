"""Landed rows as records of our streams: column names, values in the plain form of their types."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from dataflow_assets.connectors.base import LandedList, Landing, Stream
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.raw.airbyte_tables import CHANGES

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM = 10**11  # as seconds, this is the year 5138
_UPPER = re.compile(r"(?<=[a-z0-9])([A-Z])")


def records_of(landing: Landing, stream: Stream, landed: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The records of a stream in a landed row: one, unless it holds a list of them."""
    renamed, constants = landing.columns.get(stream.name, {}), landing.constants.get(stream.name, {})
    for one in _listed(landing.lists[stream.name], landed) if stream.name in landing.lists else [landed]:
        found: dict[str, Any] = dict(constants)
        for column in stream.columns:
            value = _value(one, column, renamed)
            if value is not None:
                found[column.name] = _as_plain(column, value)
        if CHANGES in landed:
            found[CHANGES] = landed[CHANGES]
        yield found


def _listed(where: LandedList, owner: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if where.unless and owner.get(where.unless):
        return
    for thing in owner.get(where.column) or ():
        yield {**(thing if isinstance(thing, dict) else {"value": thing}), "owner": owner}


def spellings(column: Column) -> Iterator[str]:
    """How Airbyte may call the value: it flattens paths, and some of its sources write snake case, or keep the dots."""
    for dot in ("_", "."):
        flat = dot.join(column.source_path)
        yield flat
        yield _UPPER.sub(r"_\1", flat).lower()
    yield column.name


def _value(record: Mapping[str, Any], column: Column, renamed: Mapping[str, str]) -> Any:
    if column.name in renamed:
        found = _inside(record, renamed[column.name].split("."))
        if found is not None:
            return found
    nested = _inside(record, column.source_path)
    if nested is not None:
        return nested
    return next((record[name] for name in spellings(column) if record.get(name) is not None), None)


def _inside(record: Any, path: Sequence[str]) -> Any:
    for part in path:
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _as_plain(column: Column, value: Any) -> Any:
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)  # what a source calls a number has nine decimals in its table, ids too
    for written in (value, str(value)) if column.parse else ():
        try:
            value = column.parse(written) if column.parse else value
            break
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
            continue  # Airbyte may have brought it into the plain form already
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if column.type is ColumnType.TEXT and is_number:
        return str(value)
    return _as_instant(value) if column.type is ColumnType.TIMESTAMPTZ else value


def _as_instant(value: Any) -> Any:
    """Seconds or milliseconds since 1970, which some schemas call text, as an instant."""
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if not isinstance(value, int):
        return value
    return (_EPOCH + timedelta(milliseconds=value if value >= _MILLISECONDS_FROM else value * 1000)).isoformat()
