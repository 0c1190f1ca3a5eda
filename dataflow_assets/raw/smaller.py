"""Questions a vendor finds too large, made smaller: fewer days at once, then fewer fields, then fewer rows a page.

The size that worked is remembered per account and stream, so that the next run starts there; after a while the whole is
tried again.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import astuple, dataclass, replace

import msgspec

from dataflow_assets.connectors.base import Account, Connector, Kind, Page, Stream, Window
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.warehouse import AsyncConnection
from dataflow_assets.resources.watermarks import StreamId

SMALLEST_PAGE = 50
MOST_GROUPS = 8
REMEMBERED_FOR = "7 days"


@dataclass(frozen=True)
class Size:
    """Days asked for at once, groups the fields are asked for in, rows a page."""

    days: int
    groups: int
    page: int

    @classmethod
    def whole(cls, stream: Stream) -> "Size":
        """As the stream declares it."""
        return cls(stream.slice_days, 1, stream.page_size)

    def smaller(self, stream: Stream, days: int) -> "Size | None":
        """The next smaller size after `days` at once were too much, or None: at most log2 steps for each of the three.

        Groups of fields are for report days alone: what is rejoined must fit into memory.
        """
        if days > 1:
            return replace(self, days=(days + 1) // 2)
        if not stream.is_divisible:
            return None
        if stream.kind is Kind.REPORT and 2 * self.groups <= min(len(_optional(stream)), MOST_GROUPS):
            return replace(self, groups=2 * self.groups)
        if self.page > SMALLEST_PAGE:
            return replace(self, page=max(self.page // 2, SMALLEST_PAGE))
        return None


def _optional(stream: Stream) -> list[str]:
    """Columns that need not come with every group of fields."""
    kept = {*stream.key, stream.report_day, stream.cursor}
    return [column.name for column in stream.columns if not column.required and column.name not in kept]


def field_groups(stream: Stream, groups: int) -> Iterator[Stream]:
    """The stream in parts: each has the key and what is required, and some of the other columns."""
    optional = _optional(stream)
    for n in range(groups):
        left_out = set(optional) - set(optional[n::groups])
        yield replace(stream, columns=tuple(column for column in stream.columns if column.name not in left_out))


async def read_at(
    connector: Connector, caller: Caller, account: Account, stream: Stream, window: Window, *, size: Size
) -> AsyncIterator[Page]:
    """What the connector reads, asked for at this size. Raises as the connector does."""
    asked = replace(stream, page_size=size.page)
    if size.groups == 1:
        async for page in connector.read(caller, account, asked, window):
            yield page
        return
    joined: dict[tuple[bytes, ...], dict[str, msgspec.Raw]] = {}
    for group in field_groups(asked, size.groups):
        async for page in connector.read(caller, account, group, window):
            for raw in _records(page.records):
                record = _fields(raw)
                key = _key(stream, record) or (bytes(raw),)
                joined[key] = _merged(joined[key], record) if key in joined else record
    yield Page(msgspec.Raw(msgspec.json.encode(list(joined.values()))))


_records = msgspec.json.Decoder(list[msgspec.Raw]).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _key(stream: Stream, record: dict[str, msgspec.Raw]) -> tuple[bytes, ...] | None:
    """The values of the key as the vendor wrote them, or None where one is missing."""
    values = []
    for column in stream.columns:
        if column.name in stream.key:
            *outer, last = column.source_path
            found = record
            for part in outer:
                inner = bytes(found.get(part, b""))
                found = _fields(inner) if inner[:1] == b"{" else {}
            if last not in found:
                return None
            values.append(bytes(found[last]))
    return tuple(values)


def _merged(one: dict[str, msgspec.Raw], other: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    """Both objects as one. Values stay as they were written: a decimal must not pass through a float."""
    merged = {**one, **other}
    for name in one.keys() & other.keys():
        both = bytes(one[name]), bytes(other[name])
        if both[0] != both[1] and all(value[:1] == b"{" for value in both):
            merged[name] = msgspec.Raw(msgspec.json.encode(_merged(_fields(both[0]), _fields(both[1]))))
    return merged


async def recall(connection: AsyncConnection, id_: StreamId, stream: Stream) -> Size:
    """The size to begin with: what worked last, if that is not too long ago, else the whole."""
    whole = Size.whole(stream)
    cursor = await connection.execute(
        """
        select days, field_groups, page_rows from dataflow.learned_sizes
        where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)
            and learned_at > now() - %(span)s::interval
        """,
        {**id_.parameters, "span": REMEMBERED_FOR},
    )
    row = await cursor.fetchone()
    if row is None:
        return whole
    # The declaration may have become smaller since.
    return Size(
        min(row["days"], whole.days),
        min(row["field_groups"], max(len(_optional(stream)), 1)),
        min(row["page_rows"], whole.page),
    )


async def remember(connection: AsyncConnection, id_: StreamId, size: Size) -> None:
    """Begin with this size next time."""
    names = ("days", "groups", "page")
    await connection.execute(
        """
        insert into dataflow.learned_sizes (connector, account_id, stream, days, field_groups, page_rows)
        values (%(connector)s, %(account)s, %(stream)s, %(days)s, %(groups)s, %(page)s)
        on conflict (connector, account_id, stream) do update
        set days = excluded.days, field_groups = excluded.field_groups, page_rows = excluded.page_rows,
            learned_at = now()
        """,
        {**id_.parameters, **dict(zip(names, astuple(size), strict=True))},
    )
