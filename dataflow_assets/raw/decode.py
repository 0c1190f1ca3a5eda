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
from typing import Annotated, Any, Self

import msgspec

from dataflow_assets.connectors.base import Stream
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.raw.numbers import MOST_DIGITS, are_plain, is_storable, plain_numbers

_BIGINT_MIN, _BIGINT_MAX = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class Rejected:
    """A record that does not keep the contract, as it came, and why."""

    reason: str
    payload: str


@dataclass
class Decoded:
    """Accepted records as columns, in the order of `Stream.columns`; `extra` holds unknown fields as JSON, or None.

    Values of NUMERIC columns are text of digits, those of JSONB columns the JSON as it came.
    """

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
        self._tree = _Node.of(stream)
        page_record = _struct(f"{stream.name}_page_record", self._tree, as_written=True)
        self._page = msgspec.json.Decoder(list[page_record], strict=False)  # type: ignore[valid-type]
        self._page_getters = [_getter(column, as_written=True) for column in stream.columns]
        self._one = msgspec.json.Decoder(_struct(f"{stream.name}_record", self._tree), strict=False)
        self._getters = [_getter(column) for column in stream.columns]
        self._parsed = [column for column in stream.columns if column.parse]
        self._nested = [i for i, c in enumerate(stream.columns) if c.type is ColumnType.JSONB]
        self._decimals = [i for i, c in enumerate(stream.columns) if c.type is ColumnType.NUMERIC]
        self._as_written = [i for i in self._decimals if _is_kept_as_written(stream.columns[i])]

    def decode(self, records: msgspec.Raw) -> Decoded:
        """Decode a JSON array of records. Raises ValueError when it is not a JSON array."""
        if not _may_hold_nul(bytes(records)):
            try:
                accepted = self._page.decode(records)
            except ValueError:  # msgspec's errors are ones, and so is text that is not UTF-8
                pass  # some record is bad or has an unknown field: find out which, one by one
            else:
                columns = [list(map(get, accepted)) for get in self._page_getters]
                # Everything else has been read by now; what is nested is kept as it came.
                if self._read_numbers(columns) and not any(
                    _is_suspicious(b" ".join(columns[index])) for index in self._nested
                ):
                    return self._checked(
                        columns, [None] * len(accepted), lambda: _records(records), [], set(), judged=self._as_written
                    )
        return self._one_by_one(records)

    def _read_numbers(self, columns: list[list[Any]]) -> bool:
        """Read the numbers that were kept as written. False: some may be bad."""
        for index in self._as_written:
            column = self._stream.columns[index]
            digits = plain_numbers(
                columns[index],
                can_be_null=not column.required and column.default is None,
                can_be_negative=column.ge is None,
            )
            if digits is None:
                return False
            columns[index] = digits
        return True

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
        columns = [list(map(get, accepted)) for get in self._getters]
        return self._checked(columns, extras, lambda: raws, rejected, unknown)

    def _with_extra(self, raw: msgspec.Raw) -> tuple[msgspec.Struct, dict[str, Any]]:
        fields: dict[str, Any] = _fields(raw)
        extra = _take_unknown(fields, self._tree)
        return self._one.decode(msgspec.json.encode(fields) if extra else raw), extra

    def _checked(
        self,
        columns: list[list[Any]],
        extras: list[bytes | None],
        raws: Callable[[], list[msgspec.Raw]],
        rejected: list[Rejected],
        unknown: set[str],
        *,
        judged: Sequence[int] = (),
    ) -> Decoded:
        decoded = Decoded(columns, extras, raws, rejected, unknown)
        for column in self._parsed:
            self._parse(decoded, column)
        # msgspec bounds integers but not decimals, and reads "NaN" as one.
        for index in self._decimals:
            if index not in judged:
                self._judge(decoded, index)
                decoded.columns[index] = [None if value is None else str(value) for value in decoded.columns[index]]
        return decoded

    def _judge(self, decoded: Decoded, index: int) -> None:
        column = self._stream.columns[index]
        low = Decimal(column.ge) if column.ge is not None else None
        if are_plain(decoded.columns[index], low):
            return
        bad = [
            row
            for row, value in enumerate(decoded.columns[index])
            if value is not None and not (is_storable(value, MOST_DIGITS) and (low is None or value >= low))
        ]
        if bad:
            limit = f"a number of at most {MOST_DIGITS} digits" + ("" if low is None else f" >= {low}")
            decoded.reject(bad, f"Expected {limit} - at `$.{column.name}`")

    def _parse(self, decoded: Decoded, column: Column) -> None:
        """Turn what the vendor wrote in a way of its own into the stored value; reject the records where it cannot."""
        index = self._stream.columns.index(column)
        values = decoded.columns[index]
        wrong: dict[int, str] = {}
        for row, written in enumerate(values):
            try:
                values[row] = _parsed(column, written)
            except _UNPARSABLE as error:
                wrong[row] = f"{error} - at `$.{'.'.join(column.source_path)}`"
        # From the end, so that the positions of the others stay.
        for row in sorted(wrong, reverse=True):
            decoded.reject([row], wrong[row])


_UNPARSABLE = (ValueError, TypeError, LookupError, ArithmeticError)


def _parsed(column: Column, written: Any) -> Any:
    value = None if written is None or column.parse is None else column.parse(written)
    if value is None:
        value = _default(column)
    if value is None and column.required:
        raise ValueError(f"No value where one is required: {str(written)[:40]!r}")
    if column.ge is not None and column.type is ColumnType.BIGINT and value is not None and value < column.ge:
        raise ValueError(f"Expected a number >= {column.ge}")
    return value


# What PostgreSQL refuses even inside jsonb: NUL characters, numbers of absurd size, bytes that are not UTF-8. A look at
# many records finds what might be one; which record holds one, and whether it does, is judged record by record. It is
# taken at every byte of every page, so what rules most pages out comes first: a single byte is found fastest.
_NUL = rb"\u0000"
_EXPONENT = re.compile(rb"\d[eE][+-]?\d{3}")
_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"0" * 9)


def _may_hold_nul(data: bytes) -> bool:
    return b"\\" in data and _NUL in data


def _is_suspicious(data: bytes) -> bool:
    if _may_hold_nul(data):
        return True
    digits = data.translate(_DIGITS_AS_0)
    if (b"0e" in digits or b"0E" in digits) and _EXPONENT.search(data):
        return True
    if data.isascii():
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return True
    return False


def _refuse_unstorable(raw: msgspec.Raw) -> None:
    if not _is_suspicious(bytes(raw)):
        return

    def number(text: str) -> Decimal:
        value = Decimal(text)
        if not is_storable(value):
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


@dataclass
class _Node:
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


def _take_unknown(fields: dict[str, Any], node: _Node) -> dict[str, Any]:
    """Take what is not declared out of the fields of an object, at any depth."""
    extra: dict[str, Any] = {name: fields.pop(name) for name in fields.keys() - node.names}
    for head, inner in node.inner.items():
        if head in fields and bytes(fields[head])[:1] == b"{":
            parts: dict[str, Any] = _fields(fields[head])
            if unknown := _take_unknown(parts, inner):
                fields[head], extra[head] = parts, unknown
    return extra


def _paths(extra: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in extra.items():
        found |= _paths(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


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


def _is_kept_as_written(column: Column) -> bool:
    """Whether a number is kept as its digits, where a look at those of a page shows that all are good."""
    return column.type is ColumnType.NUMERIC and not column.parse and column.ge in {None, 0}


_NO_JSON = msgspec.Raw(b"null")


def _default(column: Column, *, as_written: bool = False) -> Any:
    if column.type is ColumnType.JSONB and not column.parse:
        return _NO_JSON
    if as_written and _is_kept_as_written(column):
        return msgspec.Raw(str(column.default).encode()) if column.default is not None else _NO_JSON
    return Decimal(column.default) if column.default and column.type is ColumnType.NUMERIC else column.default


def _field(column: Column, name: str, *, as_written: bool) -> tuple[Any, ...]:
    if as_written and _is_kept_as_written(column):
        return (name, msgspec.Raw) if column.required else (name, msgspec.Raw, _default(column, as_written=True))
    kind = column.wire or _value_type(column)
    if column.required:
        return (name, kind)
    if column.parse:
        return (name, kind if kind is Any else kind | None, None)
    if column.default is not None or column.type is ColumnType.JSONB:
        return (name, kind, _default(column))
    return (name, kind | None, None)


def _struct(name: str, node: _Node, *, as_written: bool = False) -> type[msgspec.Struct]:
    fields = [_field(column, key, as_written=as_written) for key, column in node.columns.items()]
    for head, inner in node.inner.items():
        part = _struct(f"{name}_{head}", inner, as_written=as_written)
        fields.append((head, part) if inner.is_required else (head, part | None, None))
    fields += [(key, msgspec.Raw, _NO_JSON) for key in sorted(node.ignored)]
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True, gc=False)


def _getter(column: Column, *, as_written: bool = False) -> Any:
    *outer, last = column.source_path
    if not outer:
        return attrgetter(last)
    missing = _default(column, as_written=as_written)

    def get(record: Any) -> Any:
        for name in outer:
            record = getattr(record, name)
            if record is None:
                return missing
        return getattr(record, last)

    return get
