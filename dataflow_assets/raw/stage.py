"""The waiting room of one slice: a temporary table that fills page by page while nothing of the target is locked."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql

from dataflow_assets.connectors.base import Account, Connector, Kind, Stream, Window
from dataflow_assets.connectors.records import ColumnType
from dataflow_assets.raw.copy_text import copy_rows
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.decode import Decoded, Decoder, Rejected
from dataflow_assets.resources.warehouse import AsyncConnection, sql_file
from dataflow_assets.windows import DayWindow

ROWS_PER_COPY = 20_000
MOST_REJECTED_KEPT = 100_000
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
    newest: datetime | None


@dataclass
class Stage:
    """Collects one slice. Use on one connection, one slice at a time."""

    connection: AsyncConnection
    connector: Connector
    stream: Stream
    window: Window
    rows: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._decoder = Decoder(self.stream)
        self._name = sql.Identifier("pg_temp", f"stage_{self.stream.name}")
        self._types = [*(column.type for column in self.stream.columns), ColumnType.JSONB]
        self._lines: list[str] = []

    @property
    def is_whole_listing(self) -> bool:
        """Whether what is not staged is gone. A record in quarantine was listed, though it cannot be told which."""
        return not isinstance(self.window, DayWindow) and self.window.is_everything and not self.rejected

    async def open(self) -> None:
        """Make the temporary table anew."""
        names = sql.SQL(", ").join(sql.Identifier(name) for name in (*self.stream.column_names, "_extra"))
        await self.connection.execute(sql.SQL("drop table if exists {}").format(self._name))
        await self.connection.execute(
            sql.SQL("create temporary table {} as select {} from {} with no data").format(
                sql.Identifier(f"stage_{self.stream.name}"), names, table(self.connector, self.stream)
            )
        )
        await self.connection.execute(
            sql.SQL("alter table {} add column _position bigint generated always as identity").format(self._name)
        )
        self._copy = sql.SQL("copy {} ({}) from stdin").format(self._name, names)

    async def add(self, records: Any) -> None:
        """Decode a page of records and keep the good ones. Raises TooManyRejected."""
        decoded = self._decoder.decode(records)
        self._reject_outside(decoded)
        self.unknown_fields |= decoded.unknown_fields
        self.rejected += decoded.rejected
        if len(self.rejected) > MOST_REJECTED_KEPT:
            raise TooManyRejected(
                f"More than {MOST_REJECTED_KEPT} records of one slice break the contract of {self.stream.name}; the "
                f"first: {self.rejected[0].reason}. Nothing of the slice was stored. Check the stream's declaration."
            )
        self.rows += decoded.rows
        self._lines += copy_rows([*decoded.columns, decoded.extra], self._types)
        if len(self._lines) >= ROWS_PER_COPY:
            await self.flush()

    def _reject_outside(self, decoded: Decoded) -> None:
        # A row of another day would survive the replacement of its own day and be counted twice.
        if not isinstance(self.window, DayWindow) or self.stream.report_day is None:
            return
        days = decoded.columns[self.stream.column_names.index(self.stream.report_day)]
        if days and not (self.window.start <= min(days) and max(days) < self.window.end):
            outside = [row for row, day in enumerate(days) if day not in self.window]
            decoded.reject(outside, f"Report day outside the window asked for, {self.window}")

    async def flush(self) -> None:
        """Copy what has been collected into the temporary table."""
        if not self._lines:
            return
        data = "\n".join(self._lines) + "\n"
        self._lines = []
        async with self.connection.cursor() as cursor, cursor.copy(self._copy) as copy:
            await copy.write(data)

    async def publish(self, account: Account, *, sync_id: str, synced_at: datetime) -> Published:
        """Carry the staged rows into the target. Call it inside the publishing transaction, after `flush`."""
        window = self.window
        values = {
            "connector": self.connector.name,
            "account": account.id,
            "stream": self.stream.name,
            "sync_id": sync_id,
            "synced_at": synced_at,
            "start": window.start if isinstance(window, DayWindow) else None,
            "end": window.end if isinstance(window, DayWindow) else None,
            "is_sweep": self.is_whole_listing,
        }
        row = await (await self.connection.execute(self.statement(), values)).fetchone() or {}
        return Published(
            row["inserted"],
            row["updated"],
            row["deleted"],
            row["distinct_rows"],
            tuple(row["touched_days"] or ()),
            row.get("newest"),
        )

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
