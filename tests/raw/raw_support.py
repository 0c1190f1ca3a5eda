"""What the sandbox's world holds and what the raw tables hold, as rows that can be compared; and syncs of a stream."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from psycopg import sql

from dataflow_assets.connectors import connector
from dataflow_assets.connectors.base import Account, Connector, Kind, Page, Stream, Window
from dataflow_assets.connectors.meta_ads.streams import ATTRIBUTION_WINDOWS
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.raw.ddl import primary_key, table
from dataflow_assets.raw.session import open_sync
from dataflow_assets.raw.sync import StreamReport, Sync
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.settings import MetaAdsSettings
from dataflow_assets.windows import ONE_DAY, DayWindow, local_day

META = connector("meta_ads")
CAMPAIGNS, ADS = META.stream("campaigns"), META.stream("ads")
BY_CAMPAIGN, BY_AD = META.stream("insights_campaign"), META.stream("insights_ad")

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]

# Our own ceilings are tested elsewhere; here they would only make tests wait.
NO_CEILING: Mapping[str, int] = {"requests_per_hour": 10**8, "app_requests_per_hour": 10**8}


def meta_settings(**changes: Any) -> MetaAdsSettings:
    return MetaAdsSettings(**{**NO_CEILING, **changes})


def hasty_clock(naps: list[float] | None = None) -> Clock:
    """Real time, but nobody sleeps; `naps` collects what would have been slept, in seconds."""

    async def sleep(seconds: float) -> None:
        if naps is not None:
            naps.append(seconds)
        await asyncio.sleep(min(seconds, 0.001))

    return Clock(now=SYSTEM_CLOCK.now, monotonic=SYSTEM_CLOCK.monotonic, sleep=sleep)


@dataclass
class World:
    """A platform whose tables are made, and the sandbox it reads, for the length of a test."""

    platform: Platform
    sandbox: RunningSandbox

    def run(
        self,
        stream: Stream,
        window: DayWindow | None = None,
        *,
        source: Connector = META,
        full: bool = False,
        **options: Any,
    ) -> StreamReport:
        """Sync one stream with a client of its own."""
        return self.with_sync(lambda sync: sync.run(stream, window, full=full), source=source, **options)

    def with_sync(self, work: Callable[[Sync], Any], *, source: Connector = META, **options: Any) -> Any:
        """The result of `work`, which gets an open sync."""

        async def go() -> Any:
            async with self.open(source=source, **options) as sync:
                return await work(sync)

        return asyncio.run(go())

    def open(self, *, source: Connector = META, **options: Any) -> Any:
        """An open sync that does not sleep. Plain HTTP: loading certificates would take most of a test's time."""
        options.setdefault("clock", hasty_clock())
        options.setdefault("transport", httpx.AsyncHTTPTransport(verify=False))
        return open_sync(self.platform, source, **options)

    def query(self, text: str, *values: Any) -> list[Row]:
        with self.platform.warehouse.connect() as connection:
            return connection.execute(text, values).fetchall()  # type: ignore[arg-type]

    def accounts(self) -> list[str]:
        """Ids of the accounts of the world: Berlin, Los Angeles, Tokyo and so on."""
        return [row["account_id"] for row in self.sandbox.truth("meta_ads", "ad_accounts")]

    def today(self, account: str) -> date:
        """The account's calendar day."""
        (row,) = self.sandbox.truth("meta_ads", "ad_accounts", account=account)
        return local_day(self.sandbox.clock.now(), ZoneInfo(row["timezone_name"]))

    def truth(self, stream: Stream, account: str, window: DayWindow | None = None, **options: Any) -> Rows:
        """What the vendor holds now, as rows of the table, by primary key."""
        days = {"first": window.start, "last": window.end - ONE_DAY} if window else {}
        found = self.sandbox.truth(
            "meta_ads", stream.name, account=account, windows=ATTRIBUTION_WINDOWS, **days, **options
        )
        return by_key(stream, [{"_account_id": account, **as_row(stream, record)} for record in found])

    def stored(self, stream: Stream, account: str, window: DayWindow | None = None) -> Rows:
        """What the table holds of an account: vendor's columns, by primary key. Tombstones are left out."""
        names = ("_account_id", *stream.column_names)
        query = sql.SQL("select {} from {} where _account_id = %(account)s").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), table(META, stream)
        )
        values: Row = {"account": account}
        if window is not None:
            query += sql.SQL(" and {day} >= %(start)s and {day} < %(end)s").format(
                day=sql.Identifier(stream.report_day or "")
            )
            values |= {"start": window.start, "end": window.end}
        if stream.kind is Kind.ENTITY:
            query += sql.SQL(" and _deleted_at is null")
        with self.platform.warehouse.connect() as connection:
            return by_key(stream, connection.execute(query, values).fetchall())

    def watermark(self, stream: Stream, account: str) -> Row | None:
        """The row of `dataflow.watermarks`."""
        rows = self.query(
            "select * from dataflow.watermarks where (stream, account_id) = (%s, %s)", stream.name, account
        )
        return rows[0] if rows else None


class Gate:
    """A way of reading that has fetched everything and then waits to be let through."""

    def __init__(self) -> None:
        self.fetched = asyncio.Event()
        self.opened = asyncio.Event()

    async def read(self, caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
        """Meta's pages, once the gate is open. The gate may be passed again and again."""
        pages = [page async for page in META.read(caller, account, stream, window)]
        self.fetched.set()
        await self.opened.wait()
        for page in pages:
            yield page


def slow_and_quick(
    world: World,
    slow: Callable[[Sync], Any],
    quick: Callable[[Sync], Any],
    *,
    between: Callable[[], Any],
    **options: Any,
) -> tuple[Any, Any]:
    """What two syncs return: the slow one fetches, `between` happens, the quick one runs, the slow one goes on."""

    async def go() -> tuple[Any, Any]:
        gate = Gate()
        async with world.open(source=replace(META, read=gate.read), **options) as slow_sync:
            late = asyncio.create_task(slow(slow_sync))
            await gate.fetched.wait()
            between()
            async with world.open(**options) as quick_sync:
                soon = await quick(quick_sync)
            gate.opened.set()
            return await late, soon

    return asyncio.run(go())


def by_key(stream: Stream, rows: list[Row]) -> Rows:
    """Rows by primary key; two rows of one key are an error."""
    keyed = {tuple(row[name] for name in primary_key(stream)): row for row in rows}
    assert len(keyed) == len(rows), f"{len(rows) - len(keyed)} rows of {stream.name} are doubled."
    return keyed


def as_row(stream: Stream, record: Mapping[str, Any]) -> Row:
    """A record of the vendor as the table should hold it, by a way of its own: plain Python, no decoder."""
    return {column.name: _value(column, record) for column in stream.columns}


def _value(column: Column, record: Mapping[str, Any]) -> Any:
    found: Any = record
    for part in column.source_path:
        found = found.get(part) if found is not None else None
    if found is None:
        found = column.default
    return None if found is None else _PARSED[column.type](found)


_PARSED: dict[ColumnType, Callable[[Any], Any]] = {
    ColumnType.TEXT: str,
    ColumnType.BIGINT: int,
    ColumnType.NUMERIC: lambda value: Decimal(str(value)),
    ColumnType.BOOLEAN: bool,
    ColumnType.DATE: date.fromisoformat,
    ColumnType.TIMESTAMPTZ: lambda value: datetime.strptime(value, "%Y-%m-%dT%H:%M:%S%z").astimezone(UTC),
    ColumnType.JSONB: lambda value: json.loads(json.dumps(value)),
}


def assert_same(found: Rows, expected: Rows, *, ignoring: tuple[str, ...] = ()) -> None:
    """Both have the same rows; says what differs, not all there is."""

    def relevant(row: Row) -> Row:
        return {name: value for name, value in row.items() if name not in ignoring}

    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    assert not missing, f"{len(missing)} of {len(expected)} rows are missing, such as {missing[:3]}"
    assert not extra, f"{len(extra)} rows should not be there, such as {extra[:3]}"
    for key, row in expected.items():
        differing = {n: (found[key][n], v) for n, v in relevant(row).items() if relevant(found[key])[n] != v}
        assert not differing, f"{key}: found and expected differ: {differing}"


def days_that_differ(before: Rows, after: Rows) -> set[date]:
    """Report days whose rows are not the same in both; the day leads the key."""
    return {key[0] for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def only(report: StreamReport, account: str) -> Any:
    """The report of one account."""
    (found,) = [one for one in report.accounts if one.account.id == account]
    return found


def fine(report: StreamReport) -> StreamReport:
    """The report, after making sure that no account failed."""
    assert [one.error for one in report.failed] == []
    return report


def reading(source: Connector, read: Any) -> Connector:
    """The connector with another way of reading."""
    return replace(source, read=read)
