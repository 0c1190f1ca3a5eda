"""The waiting room of one slice: memory, then a temporary table, while nothing of the target is locked.

Where nothing is stored yet, rows go straight from memory into the target; else through the temporary table, which is
compared with what is stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql

from dataflow_assets.connectors.base import Account, Connector, Kind, Stream, Window
from dataflow_assets.connectors.records import ColumnType
from dataflow_assets.raw.batches import Batch
from dataflow_assets.raw.copy_text import copy_text
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.decode import Rejected
from dataflow_assets.resources.warehouse import AsyncConnection, sql_file
from dataflow_assets.windows import DayWindow

ROWS_IN_MEMORY = 50_000
MOST_REJECTED_KEPT = 100_000
WORK_MEM = "64MB"  # sorts a batch of rows in memory; the servers' usual 4 MB would go to disk
_PUBLISH_FILE = {
    Kind.REPORT: "load/replace_slice.sql",
    Kind.ENTITY: "load/upsert_entities.sql",
    Kind.EVENT: "load/append_events.sql",
}


class TooManyRejected(Exception):
    """So many records break the contract that the contract, not the records, must be looked at."""


@dataclass(frozen=True)
class Published:
    """What a publishing statement did to the target."""

    inserted: int
    updated: int
    deleted: int
    distinct_rows: int
    touched_days: tuple[Any, ...]


@dataclass
class Stage:
    """Collects one slice, or one part after the other of a long one. Use on one connection, one slice at a time."""

    connection: AsyncConnection
    connector: Connector
    stream: Stream
    window: Window
    rows: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)
    newest: datetime | None = None
    days: set[date] = field(default_factory=set)
    parts: int = 0  # published before this one
    all_good: bool = True  # no record of any part went to quarantine

    def __post_init__(self) -> None:
        self._name = sql.Identifier("pg_temp", f"stage_{self.stream.name}")
        self._columns = _names([*self.stream.column_names, "_extra"])
        self._pending: list[bytes] = []
        self._pending_rows = 0
        self._is_spilled = False
        self._is_free: bool | None = None  # nothing was stored where this slice goes, before its first part

    @property
    def is_whole_listing(self) -> bool:
        """Whether what was not listed is gone. A record in quarantine was listed, though it cannot be told which."""
        return not isinstance(self.window, DayWindow) and self.window.is_everything and self.all_good

    @property
    def is_unreadable(self) -> bool:
        """Whether no record of the days asked for keeps the contract: they are not empty, and must not become so."""
        return isinstance(self.window, DayWindow) and bool(self.rejected) and not self.rows

    async def take(self, batch: Batch) -> None:
        """Add a batch. Raises TooManyRejected."""
        if self._pending_rows >= ROWS_IN_MEMORY:
            await self.spill()
        self.unknown_fields |= batch.unknown_fields
        self.rejected += batch.rejected
        if len(self.rejected) > MOST_REJECTED_KEPT:
            raise TooManyRejected(
                f"More than {MOST_REJECTED_KEPT} records of one slice break the contract of {self.stream.name}; the "
                f"first: {self.rejected[0].reason}. Nothing of the slice was stored. Check the stream's declaration."
            )
        self.all_good = self.all_good and not batch.rejected
        self.days |= batch.days
        if batch.newest and (self.newest is None or batch.newest > self.newest):
            self.newest = batch.newest
        if batch.rows:
            self.rows += batch.rows
            self._pending.append(batch.data)
            self._pending_rows += batch.rows

    async def spill(self) -> None:
        """Carry what is in memory into the temporary table."""
        if not self._is_spilled:
            await self._open()
            self._is_spilled = True
        if self._pending:
            await self._copy(self._name, self._columns, self._pending)
        self._pending, self._pending_rows = [], 0

    async def _open(self) -> None:
        """Make the temporary table, or empty the one an earlier slice has left on this connection."""
        name = sql.Identifier(f"stage_{self.stream.name}")
        await self.connection.execute(
            sql.SQL("create temporary table if not exists {} as select {} from {} with no data").format(
                name, self._columns, table(self.connector, self.stream)
            )
        )
        await self.connection.execute(
            sql.SQL("alter table {} add column if not exists _position bigint generated always as identity").format(
                self._name
            )
        )
        await self.connection.execute(sql.SQL("truncate {}").format(self._name))

    async def _copy(self, target: sql.Composable, columns: sql.Composable, data: Iterable[bytes]) -> None:
        statement = sql.SQL("copy {} ({}) from stdin").format(target, columns)
        async with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for block in data:
                await copy.write(block)

    async def publish(self, account: Account, *, sync_id: str, synced_at: datetime) -> Published:
        """Carry the rows into the target. Call it inside the publishing transaction."""
        window = self.window
        values = {
            "connector": self.connector.name,
            "account": account.id,
            "stream": self.stream.name,
            "sync_id": sync_id,
            "synced_at": synced_at,
            "start": window.start if isinstance(window, DayWindow) else None,
            "end": window.end if isinstance(window, DayWindow) else None,
            "is_sweep": self.is_whole_listing and not self.parts,
        }
        if self._is_free is None:
            self._is_free = await self._nothing_stored(values)
        if self._is_free and not self._is_spilled and (published := await self._publish_new(values)):
            return published
        await self.spill()
        await self.connection.execute(sql.SQL("set local work_mem = {}").format(sql.Literal(WORK_MEM)))
        row = await (await self.connection.execute(self.statement(), values)).fetchone() or {}
        days = tuple(row["touched_days"] or ())
        return Published(row["inserted"], row["updated"], row["deleted"], row["distinct_rows"], days)

    def clear(self) -> None:
        """Make room for the next part."""
        self.rows, self.rejected, self.unknown_fields, self.days = 0, [], set(), set()
        self._pending, self._pending_rows, self._is_spilled = [], 0, False
        self.parts += 1

    async def nothing_else_stored(self, account: Account, synced_at: datetime) -> bool:
        """Whether all there is of an account was stored by this reading or a later one. For entities and events."""
        query = sql.SQL("select not exists (select from {} where _account_id = %s and _synced_at < %s) as so")
        query_of = query.format(table(self.connector, self.stream))
        row = await (await self.connection.execute(query_of, (account.id, synced_at))).fetchone()
        return bool(row and row["so"])

    async def _nothing_stored(self, values: Mapping[str, Any]) -> bool:
        query = sql.SQL("select not exists (select from {} where _account_id = %(account)s{}) as so")
        days: sql.Composable = sql.SQL("")
        if isinstance(self.window, DayWindow):
            days = sql.SQL(" and {day} >= %(start)s and {day} < %(end)s").format(
                day=sql.Identifier(self.stream.report_day or "")
            )
        query_of = query.format(table(self.connector, self.stream), days)
        row = await (await self.connection.execute(query_of, values)).fetchone()
        return bool(row and row["so"])

    async def _publish_new(self, values: Mapping[str, Any]) -> Published | None:
        """Copy straight into the target, where nothing can vanish or change. None when some key comes twice."""
        ours = [copy_text(str(values["account"])), values["sync_id"], values["synced_at"].isoformat()]
        end = ("\t" + "\t".join(ours) + "\n").encode()
        columns = sql.SQL("{}, _account_id, _sync_id, _synced_at").format(self._columns)
        try:
            async with self.connection.transaction():
                blocks = (block.replace(b"\n", end) for block in self._pending)
                await self._copy(table(self.connector, self.stream), columns, blocks)
        except psycopg.errors.UniqueViolation:
            self._is_free = False
            return None
        days = sorted(self.days)
        if days:
            await self.connection.execute(sql_file("load/touch_days.sql"), {**values, "days": days})
        return Published(self.rows, 0, 0, self.rows, tuple(days))

    def statement(self, template: sql.SQL | None = None) -> sql.Composed:
        """A publishing statement over the staged rows: the one of the stream's kind, or another with its names."""
        stream = self.stream
        values = [name for name in stream.column_names if name not in stream.key]
        return (template or sql_file(_PUBLISH_FILE[stream.kind])).format(
            stage=self._name,
            target=table(self.connector, stream),
            day=sql.Identifier(stream.report_day or ""),
            version=sql.Identifier(stream.cursor) if stream.cursor else sql.SQL("null::timestamptz"),
            key=_names(stream.key),
            columns=_names(stream.column_names),
            stored_columns=_names(values, "stored"),
            excluded_columns=_names(values, "excluded"),
            assignments=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(name), sql.Identifier("excluded", name)) for name in values
            ),
            key_of_stored=_names(stream.key, "stored"),
            days_of_changes=self._days_of_changes(),
            same_key=sql.SQL("({}) = ({})").format(_names(stream.key, "staged"), _names(stream.key, "stored")),
            excluded_is_not_older=_is_not_older(stream),
        )

    def _days_of_changes(self) -> sql.Composable:
        """Days of the records that were written or have vanished, before and after: a query of one column, `day`."""
        stream, key = self.stream, _names(self.stream.key)
        if not stream.event_days:
            return sql.SQL("select null::date as day where false")
        stored = sql.SQL("(select * from {} where _account_id = %(account)s)").format(table(self.connector, stream))
        changes: list[tuple[sql.Composable, sql.Composable]] = [(sql.SQL("staged"), sql.SQL("written"))]
        if stream.kind is Kind.ENTITY:
            changes += [(stored, sql.SQL("written")), (stored, sql.SQL("vanished"))]
        queries = [
            sql.SQL("select {} as day from {} as version inner join {} using ({})").format(
                _day_of(stream, column), rows, changed, key
            )
            for column in stream.event_days
            for rows, changed in changes
        ]
        return sql.SQL(" union all ").join(queries)


def _day_of(stream: Stream, name: str) -> sql.Composed:
    (column,) = (column for column in stream.columns if column.name == name)
    instant = sql.SQL(
        "(version.{} at time zone 'UTC')::date" if column.type is ColumnType.TIMESTAMPTZ else "version.{}"
    )
    return instant.format(sql.Identifier(name))


def _is_not_older(stream: Stream) -> sql.Composed:
    by_reading = sql.SQL("stored._synced_at <= excluded._synced_at")
    if not stream.cursor:
        return sql.Composed([by_reading])
    # A vendor that leaves the time of change out says nothing about which is newer; then the later reading is.
    return sql.SQL(
        "case when stored.{cursor} is null or excluded.{cursor} is null then {by_reading} "
        "else (stored.{cursor}, stored._synced_at) <= (excluded.{cursor}, excluded._synced_at) end"
    ).format(cursor=sql.Identifier(stream.cursor), by_reading=by_reading)


def _names(names: tuple[str, ...] | list[str], relation: str = "") -> sql.Composed:
    path = (relation,) if relation else ()
    return sql.SQL(", ").join(sql.Identifier(*path, name) for name in names)
