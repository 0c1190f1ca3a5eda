"""How HubSpot writes values: every property is text or null, whatever its type."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

Value = str | int | Decimal | bool | None
"""A property as the world knows it: texts, numbers, flags; instants are unix milliseconds."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def millis(when: datetime) -> int:
    """An instant in whole unix milliseconds."""
    return (when - EPOCH) // _MILLISECOND


def instant_text(instant: int) -> str:
    """ISO 8601 with milliseconds, in UTC."""
    when = EPOCH + timedelta(milliseconds=instant)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def text(kind: str, value: Value) -> str | None:
    """A value of a property of this type on the wire."""
    if value is None:
        return None
    if kind == "datetime":
        return instant_text(int(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
