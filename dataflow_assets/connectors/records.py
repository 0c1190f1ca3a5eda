"""What a record of a vendor looks like: named, typed, described columns.

The declaration is the only one. The typed decoder and the DDL (`raw/`), the Pandera contract (`checks/`), the dbt
source (`transform/`) and the column docs in the UI are derived from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class ColumnType(Enum):
    """How a value is stored. The value of each member is its PostgreSQL type."""

    TEXT = "text"  # ids too: they pass 2^53, which JSON clients and pandas round
    BIGINT = "bigint"
    NUMERIC = "numeric"  # money and ratios, exactly as the vendor wrote them
    BOOLEAN = "boolean"
    DATE = "date"  # a report day of the account's own time zone
    TIMESTAMPTZ = "timestamptz"
    JSONB = "jsonb"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `path` is where the vendor keeps the value (keys with dots), if not under the column's name.

    `default` (JSON text) stands for a value the vendor leaves out, and makes the column not null. `ge` is the lowest
    value that can be true; a record below it goes to quarantine. Where the vendor writes a value in a way of its own,
    `parse` makes the stored one from it (null stays null) and raises ValueError for what it cannot be; `wire` is the
    type `parse` gets, `example` such a value.
    """

    name: str
    type: ColumnType
    description: str
    required: bool = False
    default: Any = None
    ge: int | None = None
    path: str = ""
    wire: Any = None
    parse: Callable[[Any], Any] | None = field(default=None, repr=False)
    example: Any = None  # a value as the vendor writes it, where that is not the plain form of the type

    @property
    def nullable(self) -> bool:
        """Whether the table accepts null."""
        return not self.required and self.default is None

    @property
    def source_path(self) -> tuple[str, ...]:
        """Keys to follow in the vendor's JSON object."""
        return tuple((self.path or self.name).split("."))


def text(name: str, description: str, **options: Any) -> Column:
    """A column of text, ids included."""
    return Column(name=name, type=ColumnType.TEXT, description=description, **options)


def count(name: str, description: str, **options: Any) -> Column:
    """A whole number that cannot be negative; left out by the vendor means 0."""
    return Column(name=name, type=ColumnType.BIGINT, description=description, **{"default": 0, "ge": 0} | options)


def whole(name: str, description: str, **options: Any) -> Column:
    """A whole number of any sign."""
    return Column(name=name, type=ColumnType.BIGINT, description=description, **options)


def number(name: str, description: str, **options: Any) -> Column:
    """An exact decimal: money or a ratio."""
    return Column(name=name, type=ColumnType.NUMERIC, description=description, **options)


def flag(name: str, description: str, **options: Any) -> Column:
    """True or false."""
    return Column(name=name, type=ColumnType.BOOLEAN, description=description, **options)


def day(name: str, description: str, **options: Any) -> Column:
    """A calendar day in the account's time zone."""
    return Column(name=name, type=ColumnType.DATE, description=description, **options)


def instant(name: str, description: str, **options: Any) -> Column:
    """A moment, stored in UTC."""
    return Column(name=name, type=ColumnType.TIMESTAMPTZ, description=description, **options)


def nested(name: str, description: str, **options: Any) -> Column:
    """A JSON object or list, kept as it came."""
    return Column(name=name, type=ColumnType.JSONB, description=description, **options)
