"""A page of JSON records in, checked columns of Python values out; records that break the contract on the side.

Decoding into a typed struct is the gate before the commit: types, bounds and required fields are judged here, record by
record, so that one bad record never costs the others.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec

from dataflow_assets.connectors.base import Stream
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.raw.numbers import MOST_DIGITS, are_plain, is_storable, plain_numbers
from dataflow_assets.raw.record_types import Node, default_of, getter, is_kept_as_written, record_type


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
        self._tree = Node.of(stream)
        page_record = record_type(f"{stream.name}_page_record", self._tree, as_written=True)
        self._page = msgspec.json.Decoder(list[page_record], strict=False)  # type: ignore[valid-type]
        self._page_getters = [getter(column, as_written=True) for column in stream.columns]
        self._one = msgspec.json.Decoder(record_type(f"{stream.name}_record", self._tree), strict=False)
        self._getters = [getter(column) for column in stream.columns]
        self._parsed = [column for column in stream.columns if column.parse]
        self._nested = [i for i, c in enumerate(stream.columns) if c.type is ColumnType.JSONB]
        self._decimals = [i for i, c in enumerate(stream.columns) if c.type is ColumnType.NUMERIC]
        self._as_written = [i for i in self._decimals if is_kept_as_written(stream.columns[i])]

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
        value = default_of(column)
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


def _take_unknown(fields: dict[str, Any], node: Node) -> dict[str, Any]:
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
