"""Streams that Airbyte lands instead of us: its tables are read as if they were pages of the vendor's.

The rows go through the same gate into our own raw tables, so everything downstream is unchanged. Views on Airbyte's
tables would be simpler and would not last: it replaces its tables, which fails under a view or takes the view along.

Sync modes: incremental with or without deduplication, and full refresh | overwrite. `full refresh | append` cannot be
told from an incremental one: what was deleted stays.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg import sql

from dataflow_assets.connectors.base import Account, Connector, Landing, Page, Probe, Stream, Window
from dataflow_assets.raw import airbyte_tables as tables
from dataflow_assets.raw.airbyte_records import records_of, spellings
from dataflow_assets.raw.airbyte_tables import RAW_SCHEMA, Table
from dataflow_assets.resources.failures import Fatal, Retryable
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import AsyncConnection
from dataflow_assets.settings import Settings
from dataflow_assets.vendor_settings import VendorSettings
from dataflow_assets.windows import DayWindow

__all__ = ["RAW_SCHEMA", "landed"]

_encode = msgspec.json.Encoder(decimal_format="number").encode


def landed(connector: Connector, platform: Platform) -> Connector:
    """The connector, reading from Airbyte's tables. Raises Fatal when it is not known how these are laid out."""
    configured = platform.settings.vendors[connector.name]
    if connector.landing is None:
        raise Fatal("it cannot be read from Airbyte's tables.", vendor=connector.name, scope="vendor")
    reader = _Reader(connector, connector.landing, configured, platform)
    return replace(
        connector,
        streams=tuple(_plain(stream, connector.landing) for stream in connector.streams),
        accounts=reader.accounts,
        read=reader.read,
        newer=reader.newer,
    )


def _plain(stream: Stream, landing: Landing) -> Stream:
    # Values come out of `records_of` in the plain form of their types, whatever way the vendor has of writing them. An
    # entity is read whole each time: that costs the vendor nothing, and rows that did not change are not rewritten. Not
    # so one without a counterpart: of which nothing is read, and nothing may be taken for gone.
    sweep_every = timedelta(0) if stream.name in landing.tables else None
    columns = tuple(replace(c, path="", wire=None, parse=None) for c in stream.columns)
    return replace(stream, columns=columns, ignored=(), by_day=False, sweep_every=sweep_every, feed_reaches=None)


@dataclass(frozen=True)
class _Reader:
    connector: Connector
    landing: Landing
    settings: VendorSettings
    platform: Platform

    async def accounts(self, caller: Caller, settings: Settings) -> Sequence[Account]:
        """The accounts that are landed. The vendor's time is that of the newest extraction: later days are not over."""
        del settings
        async with await self._connect() as connection:
            found = [table for name in self.landing.tables for table in await self._find(connection, name)]
            newest = await tables.newest(connection, found)
            if newest is None:
                raise Fatal(
                    f"Airbyte has landed nothing in the schema {self.settings.airbyte_schema!r} of the warehouse.",
                    vendor=self.connector.name,
                    hint=f"Expected tables: {', '.join(sorted(set(self.landing.tables.values())))}.",
                    scope="vendor",
                )
            caller.client.skew = newest - caller.client.clock.now()
            accounts = [account for account in await self._landed(connection) if account]
        if not accounts:
            # An empty list would make every sync green, with no rows.
            raise Fatal("Airbyte has landed no account that has data.", vendor=self.connector.name, scope="vendor")
        return accounts

    async def _landed(self, connection: AsyncConnection) -> list[Account | None]:
        """Each account that is landed; None for those that have no data of their own."""
        landing, accounts = self.landing, list[Account | None]()
        if landing.accounts_in is None:
            ids = self.connector.account_ids(self.platform.settings) or ("airbyte",)
            accounts.append(landing.account({"id": ids[0]}))
        else:
            stream = self.connector.stream(landing.accounts_in)
            found = await self._required(connection, stream.name)
            async for rows in self._records(connection, found, stream, [], {}):
                accounts += [landing.account(one) for row in rows for one in records_of(landing, stream, row)]
        return list({account.id if account else "": account for account in accounts}.values())

    async def read(self, caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        """Pages of one account's rows: of the days of a report, or all there is of an entity. None without a table."""
        del caller
        if stream.name not in self.landing.tables:
            return
        landing, declared = self.landing, self.connector.stream(stream.name)
        async with await self._connect() as connection:
            found = await self._required(connection, stream.name)
            conditions = [[self._only(table, declared)] for table in found]
            values: dict[str, Any] = {}
            if isinstance(window, DayWindow):
                for table, wanted in zip(found, conditions, strict=True):
                    day = self._column(table, declared, declared.report_day or "")
                    wanted.append(
                        sql.SQL("left({}, 10)::date >= %(start)s and left({}, 10)::date < %(end)s").format(day, day)
                    )
                values |= {"start": window.start, "end": window.end}
            if len(await self._landed(connection)) > 1:
                for table, wanted in zip(found, conditions, strict=True):
                    wanted.append(await self._of_account(connection, table, stream))
                values["account"] = [account.id, landing.account_prefix + account.id]
            async for rows in self._records(connection, found, declared, conditions, values):
                made = [one for row in rows for one in records_of(landing, declared, row)]
                yield Page(msgspec.Raw(_encode(made)))

    def _records(
        self,
        connection: AsyncConnection,
        found: Sequence[Table],
        stream: Stream,
        conditions: Sequence[Sequence[sql.Composable]],
        values: dict[str, Any],
    ) -> AsyncIterator[list[dict[str, Any]]]:
        inside = self.landing.lists.get(stream.name)
        selects = [
            table.select(
                conditions[position] if conditions else [],
                (inside and table.column(inside.owner)) or sql.SQL("null"),
            )
            for position, table in enumerate(found)
        ]
        # Of a thing that was read twice, what the older row lists may be gone.
        return tables.records(connection, selects, values, newest_only=inside is not None)

    def _only(self, table: Table, stream: Stream) -> sql.Composable:
        wanted = self.landing.only.get(stream.name, {})
        return sql.SQL(" and ").join(
            [
                sql.SQL("true"),
                *(sql.SQL("{} = {}").format(table.column(name) or sql.NULL, text) for name, text in wanted.items()),
            ]
        )

    def _column(self, table: Table, stream: Stream, name: str) -> sql.Composable:
        column = next(c for c in stream.columns if c.name == name)
        renamed = self.landing.columns.get(stream.name, {}).get(name)
        for spelling in (renamed, ".".join(column.source_path), *spellings(column)):
            if spelling and (found := table.column(spelling)):
                return found
        raise Fatal(f"Airbyte's table {table.name} has no column for {name}.", vendor=self.connector.name)

    async def _of_account(self, connection: AsyncConnection, table: Table, stream: Stream) -> sql.Composable:
        """The condition for the rows of one of several accounts. Raises Fatal when a row does not say whose it is."""
        name, prefix = self.landing.account_columns.get(stream.name), self.landing.account_prefix
        column = table.column(name) if name else None
        lost = None
        if column:
            one = sql.SQL("select from {} where {} ~ {} is not true limit 1").format(
                table.source, column, f"^({prefix})?[0-9]+$"
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
        """Streams whose tables hold something extracted after our last reading of them."""
        del caller
        found = []
        async with await self._connect() as connection:
            for probe in probes:
                newest = await tables.newest(connection, await self._find(connection, probe.stream.name))
                if newest and newest > await self._last_reading(connection, probe):
                    found.append(probe)
        return found

    async def _connect(self) -> AsyncConnection:
        return tables.read_exactly(await self.platform.warehouse.connect_async())

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

    async def _find(self, connection: AsyncConnection, stream: str) -> list[Table]:
        """Its table and further ones; nothing when its own is not there."""
        found: list[Table] = []
        for name in (self.landing.tables.get(stream), *self.landing.also.get(stream, ())):
            final = self.settings.airbyte_prefix + (name or "")
            table = await tables.find(connection, self.settings.airbyte_schema, final) if name else None
            if table is None and not found:
                return []
            found += [table] if table else []
        return found

    async def _required(self, connection: AsyncConnection, stream: str) -> list[Table]:
        found = await self._find(connection, stream)
        if not found:
            # It may be about to be swapped for a new one.
            name = f"{self.settings.airbyte_schema}.{self.settings.airbyte_prefix}{self.landing.tables[stream]}"
            raise Retryable(
                f"Airbyte has landed no table {name}.",
                vendor=self.connector.name,
                hint="Switch that stream on in Airbyte, or check AIRBYTE_SCHEMA and AIRBYTE_PREFIX of the vendor.",
            )
        return found
