"""Streams that Airbyte lands instead of us: its tables are read as if they were pages of the vendor's.

The rows go through the same gate into our own raw tables, so everything downstream is unchanged. Views on Airbyte's
tables would be simpler and would not last: it replaces its tables, which fails under a view or takes the view along.

Read are final tables (destination-postgres 2.x and 3.x), and the raw JSON tables of 2.x where there is no final one.
Sync modes: incremental with or without deduplication, and full refresh | overwrite. `full refresh | append` cannot be
told from an incremental one: what was deleted stays.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from psycopg import sql
from psycopg.types.json import set_json_loads

from dataflow_assets.connectors.base import Account, Connector, Landing, Page, Probe, Stream, Window
from dataflow_assets.connectors.records import Column
from dataflow_assets.resources.failures import Fatal, Retryable
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import AsyncConnection
from dataflow_assets.settings import Settings
from dataflow_assets.vendor_settings import VendorSettings
from dataflow_assets.windows import DayWindow

RAW_SCHEMA = "airbyte_internal"
ROWS_PER_PAGE = 2_000
_NOT_RECORD = "_airbyte_"
_encode = msgspec.json.Encoder(decimal_format="number").encode
_loads = partial(json.loads, parse_float=Decimal)


def landed(connector: Connector, platform: Platform) -> Connector:
    """The connector, reading from Airbyte's tables. Raises Fatal when it is not known how these are laid out."""
    configured = platform.settings.vendors[connector.name]
    if connector.landing is None:
        raise Fatal("it cannot be read from Airbyte's tables.", vendor=connector.name, scope="vendor")
    reader = _Reader(connector, connector.landing.tables, configured, platform)
    return replace(
        connector,
        streams=tuple(_plain(stream) for stream in connector.streams),
        accounts=reader.accounts,
        read=reader.read,
        newer=reader.newer,
    )


def _plain(stream: Stream) -> Stream:
    # Values come out of `_record` in the plain form of their types, whatever way the vendor has of writing them. An
    # entity is read whole each time: that costs the vendor nothing, and rows that did not change are not rewritten.
    columns = tuple(replace(c, path="", wire=None, parse=None) for c in stream.columns)
    return replace(stream, columns=columns, ignored=(), by_day=False, sweep_every=timedelta(0), feed_reaches=None)


@dataclass(frozen=True)
class _Table:
    """A table of Airbyte's. `is_raw` says that the record is one JSON document."""

    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def is_raw(self) -> bool:
        return "_airbyte_data" in self.columns

    @property
    def record(self) -> sql.SQL:
        return sql.SQL("_airbyte_data" if self.is_raw else "to_jsonb(landed)")

    @property
    def source(self) -> sql.Composed:
        return sql.SQL("{} as landed").format(sql.Identifier(self.schema, self.name))


@dataclass(frozen=True)
class _Reader:
    connector: Connector
    tables: Mapping[str, str]
    settings: VendorSettings
    platform: Platform

    async def accounts(self, caller: Caller, settings: Settings) -> Sequence[Account]:
        """The accounts that are landed. The vendor's time is that of the newest extraction: later days are not over."""
        del settings
        landing = self.connector.landing
        assert landing is not None  # noqa: S101  `landed` has looked
        async with await self._connect() as connection:
            newest = [
                moment
                for name in self.tables
                if (table := await self._find(connection, name)) and (moment := await _newest(connection, table))
            ]
            if not newest:
                raise Fatal(
                    f"Airbyte has landed nothing in the schema {self.settings.airbyte_schema!r} of the warehouse.",
                    vendor=self.connector.name,
                    hint=f"Expected tables: {', '.join(sorted(self.tables.values()))}.",
                    scope="vendor",
                )
            caller.client.skew = max(newest) - caller.client.clock.now()
            return await self._landed(connection, landing)

    async def _landed(self, connection: AsyncConnection, landing: Landing) -> list[Account]:
        if landing.accounts_in is None:
            ids = self.connector.account_ids(self.platform.settings) or ("airbyte",)
            return [landing.account({"id": ids[0]})]
        stream = self.connector.stream(landing.accounts_in)
        table = await self._required(connection, stream.name)
        found = {}
        async for records in _records(connection, table, sql.SQL("true"), {}):
            for record in records:
                account = landing.account(_record(stream, record, landing.columns.get(stream.name, {})))
                found[account.id] = account
        return list(found.values())

    async def read(self, caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        """Pages of one account's rows: of the days of a report, or all there is of an entity."""
        del caller
        landing = self.connector.landing
        assert landing is not None  # noqa: S101  `landed` has looked
        declared, renamed = self.connector.stream(stream.name), landing.columns.get(stream.name, {})
        async with await self._connect() as connection:
            table = await self._required(connection, stream.name)
            conditions: list[sql.Composable] = [sql.SQL("true")]
            values: dict[str, Any] = {}
            if isinstance(window, DayWindow):
                day = _column_of(table, declared, declared.report_day or "", renamed)
                conditions.append(
                    sql.SQL("left({}, 10)::date >= %(start)s and left({}, 10)::date < %(end)s").format(day, day)
                )
                values |= {"start": window.start, "end": window.end}
            if len(await self._landed(connection, landing)) > 1:
                conditions.append(await self._of_account(connection, table, stream, landing))
                values["account"] = [account.id, landing.account_prefix + account.id]
            where = sql.SQL(" and ").join(conditions)
            async for records in _records(connection, table, where, values):
                yield Page(msgspec.Raw(_encode([_record(declared, record, renamed) for record in records])))

    async def _of_account(
        self, connection: AsyncConnection, table: _Table, stream: Stream, landing: Landing
    ) -> sql.Composable:
        """The condition for the rows of one of several accounts. Raises Fatal when a row does not say whose it is."""
        name = landing.account_columns.get(stream.name)
        column = _column_or_none(table, name) if name else None
        lost: Mapping[str, Any] | None = {}
        if column:
            one = sql.SQL("select from {} where {} ~ {} is not true limit 1").format(
                table.source, column, sql.Literal(f"^({landing.account_prefix})?[0-9]+$")
            )
            lost = await (await connection.execute(one)).fetchone()
        if column is None or lost is not None:
            # Read all the same they would be counted for every account, or for none.
            raise Fatal(
                f"several accounts are landed, and rows of Airbyte's table {table.name} do not say whose they are.",
                vendor=self.connector.name,
                hint="Land one account alone, or a report by account: see the page of the vendor in docs/vendors.",
            )
        return sql.SQL("{} = any(%(account)s)").format(column)

    async def newer(self, caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
        """Streams whose table holds something extracted after our last reading of it."""
        del caller
        found = []
        async with await self._connect() as connection:
            for probe in probes:
                table = await self._find(connection, probe.stream.name)
                newest = await _newest(connection, table) if table else None
                if newest and newest > await self._last_reading(connection, probe):
                    found.append(probe)
        return found

    async def _connect(self) -> AsyncConnection:
        connection = await self.platform.warehouse.connect_async()
        set_json_loads(_loads, connection)
        return connection

    async def _last_reading(self, connection: AsyncConnection, probe: Probe) -> datetime:
        cursor = await connection.execute(
            """
            select max(fetch_started_at) as moment from dataflow.sync_ledger
            where (connector, account_id, stream) = (%s, %s, %s) and outcome = 'published'
            """,
            (self.connector.name, probe.account.id, probe.stream.name),
        )
        row = await cursor.fetchone()
        return row["moment"] if row and row["moment"] else probe.watermark

    async def _find(self, connection: AsyncConnection, stream: str) -> _Table | None:
        name = self.tables.get(stream)
        if name is None:
            return None
        schema, final = self.settings.airbyte_schema, self.settings.airbyte_prefix + name
        cursor = await connection.execute(
            """
            select table_schema, table_name, array_agg(column_name::text) as columns
            from information_schema.columns
            where (table_schema, table_name) = (%(schema)s, %(final)s)
                or (table_schema = %(raw_schema)s and table_name ~ %(raw)s)
            group by table_schema, table_name
            having bool_or(column_name = '_airbyte_extracted_at')
            order by table_schema = %(raw_schema)s
            """,
            {
                "schema": schema,
                "final": final,
                "raw_schema": RAW_SCHEMA,
                # The run of underscores in the middle grows where a name has one itself.
                "raw": f"^{re.escape(schema.lower())}_raw_+stream_{re.escape(final.lower())}$",
            },
        )
        row = await cursor.fetchone()
        return _Table(row["table_schema"], row["table_name"], tuple(row["columns"])) if row else None

    async def _required(self, connection: AsyncConnection, stream: str) -> _Table:
        if stream not in self.tables:
            raise Fatal(f"Airbyte has no counterpart of the table {stream}.", vendor=self.connector.name)
        table = await self._find(connection, stream)
        if table is None:
            # It may be about to be swapped for a new one.
            name = f"{self.settings.airbyte_schema}.{self.settings.airbyte_prefix}{self.tables[stream]}"
            raise Retryable(
                f"Airbyte has landed no table {name}.",
                vendor=self.connector.name,
                hint="Switch that stream on in Airbyte, or check AIRBYTE_SCHEMA and AIRBYTE_PREFIX of the vendor.",
            )
        return table


async def _newest(connection: AsyncConnection, table: _Table) -> datetime | None:
    query = sql.SQL("select max(_airbyte_extracted_at) as moment from {}").format(table.source)
    row = await (await connection.execute(query)).fetchone()
    return row["moment"] if row else None


async def _records(
    connection: AsyncConnection, table: _Table, where: sql.Composable, values: Mapping[str, Any]
) -> AsyncIterator[list[dict[str, Any]]]:
    """Records oldest extraction first, so that of several of one key the newest is the last."""
    meta = sql.SQL("_airbyte_meta -> 'changes'" if "_airbyte_meta" in table.columns else "null::jsonb")
    query = sql.SQL("select {} as record, {} as changes from {} where {} order by _airbyte_extracted_at").format(
        table.record, meta, table.source, where
    )
    async with connection.transaction(), connection.cursor("airbyte") as cursor:
        cursor.itersize = ROWS_PER_PAGE
        await cursor.execute(query, values)
        while rows := await cursor.fetchmany(ROWS_PER_PAGE):
            # Values that Airbyte nulled or cut on the way are told in _extra.
            yield [{**row["record"], **({_CHANGES: row["changes"]} if row["changes"] else {})} for row in rows]


_CHANGES = "_airbyte_changes"


def _record(stream: Stream, landed_record: Mapping[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """A landed row as a record of the stream: column names, values in the plain form of their types."""
    found = {}
    for column in stream.columns:
        value = _value(landed_record, column, renamed)
        if value is not None:
            found[column.name] = _as_plain(column, value)
    if _CHANGES in landed_record:
        found[_CHANGES] = landed_record[_CHANGES]
    return found


def _as_plain(column: Column, value: Any) -> Any:
    if column.parse is None:
        return value
    for written in (value, str(value)):
        try:
            return column.parse(written)
        except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError):
            continue
    return value  # Airbyte has brought it into the plain form already


def _value(record: Mapping[str, Any], column: Column, renamed: Mapping[str, str]) -> Any:
    if column.name in renamed:
        return _inside(record, renamed[column.name].split("."))
    nested = _inside(record, column.source_path)
    if nested is not None:
        return nested
    return next((record[name] for name in _spellings(column) if record.get(name) is not None), None)


def _inside(record: Any, path: Sequence[str]) -> Any:
    for part in path:
        record = record.get(part) if isinstance(record, dict) else None
    return record


def _spellings(column: Column) -> Iterator[str]:
    """How Airbyte may call the value: it flattens paths, and some of its sources write snake case."""
    flat = "_".join(column.source_path)
    yield flat
    yield re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", flat).lower()
    yield column.name


def _column_of(table: _Table, stream: Stream, name: str, renamed: Mapping[str, str]) -> sql.Composable:
    column = next(c for c in stream.columns if c.name == name)
    for spelling in (renamed.get(name), ".".join(column.source_path), *_spellings(column)):
        if spelling and (found := _column_or_none(table, spelling)):
            return found
    raise Fatal(f"Airbyte's table {table.name} has no column for {name}.", vendor=stream.name)


def _column_or_none(table: _Table, name: str) -> sql.Composable | None:
    head, *rest = name.split(".")
    if table.is_raw:
        return sql.SQL("_airbyte_data #>> {}").format(sql.Literal([head, *rest]))
    if head not in table.columns:
        return None
    if rest:
        return sql.SQL("{} #>> {}").format(sql.Identifier(head), sql.Literal(rest))
    return sql.SQL("{}::text").format(sql.Identifier(head))
