"""How HubSpot writes values, and columns made of them.

Every property is text or null on the wire, whatever its type; empty text is no value.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from dataflow_assets.connectors.records import Column, flag, instant, number, text

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MILLISECONDS = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def filled(written: str) -> str | None:
    """Text; empty text is none."""
    return written or None


def identifier(written: int | str) -> str | None:
    """An id, which may come as a number, as text."""
    return str(written) or None


def decimal(written: str) -> Decimal | None:
    """An exact number. Raises ArithmeticError for what is none."""
    return Decimal(written) if written else None


def truth(written: bool | str) -> bool | None:
    """True or false. Raises ValueError for what is neither."""
    known = {True: True, False: False, "true": True, "false": False, "": None}
    if written not in known:
        raise ValueError(f"Expected true or false, got {written!r}")
    return known[written]


def moment(written: str) -> datetime | None:
    """An instant: ISO 8601 (UTC unless it says otherwise), or milliseconds since 1970 as old records have them."""
    if not written:
        return None
    if _MILLISECONDS.fullmatch(written):
        return EPOCH + timedelta(microseconds=int(Decimal(written) * 1000))
    found = datetime.fromisoformat(written)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _at(name: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"path": f"properties.{name}", **options}


def words(name: str, description: str, **options: Any) -> Column:
    """A column of a text property."""
    return text(name, description, **_at(name, options), wire=str, parse=filled, example="some words")


def figure(name: str, description: str) -> Column:
    """A column of a number property."""
    return number(name, description, **_at(name, {}), wire=str, parse=decimal, example="1500.50")


def yes(name: str, description: str, **options: Any) -> Column:
    """A column of a yes/no property."""
    return flag(name, description, **_at(name, options), wire=bool | str, parse=truth, example="true")


def when(name: str, description: str, **options: Any) -> Column:
    """A column of a date and time property."""
    example = "2026-03-31T09:15:00.000Z"
    return instant(name, description, **_at(name, options), wire=str, parse=moment, example=example)


def reference(name: str, description: str, **options: Any) -> Column:
    """A column of an id that comes as a number."""
    return text(name, description, **options, wire=int | str, parse=identifier, example=48_211_093_771)
