"""How far each account's stream is known. Kept in PostgreSQL, moved in the transaction that stores the rows.

Redis holds a copy for cheap reading; losing it loses nothing.
"""

import contextlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
import redis

from dataflow_assets.resources.warehouse import AsyncConnection, Connection, sql_file


@dataclass(frozen=True)
class StreamId:
    """One account's stream of one connector."""

    connector: str
    account: str
    stream: str

    @property
    def redis_key(self) -> str:
        """Where the copy of the watermark is kept."""
        return f"sync:watermark:{self.connector}:{self.account}:{self.stream}"

    @property
    def parameters(self) -> dict[str, str]:
        """Bind parameters that name this stream."""
        return {"connector": self.connector, "account": self.account, "stream": self.stream}


@dataclass(frozen=True)
class Watermark:
    """The unbroken stretch known complete: from `complete_from` (None: since ever) up to `instant`. UTC."""

    instant: datetime
    complete_from: datetime | None = None
    settled_through: date | None = None
    swept_at: datetime | None = None


_SELECT = """
    select connector, account_id, stream, watermark, complete_from, settled_through, swept_at
    from dataflow.watermarks
"""


def _from_row(row: dict[str, Any]) -> Watermark:
    return Watermark(row["watermark"], row["complete_from"], row["settled_through"], row.get("swept_at"))


async def read_watermark(connection: AsyncConnection, stream: StreamId) -> Watermark | None:
    """The watermark of one stream, or None before its first sync."""
    cursor = await connection.execute(
        f"{_SELECT} where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)",
        stream.parameters,
    )
    row = await cursor.fetchone()
    return _from_row(row) if row else None


def read_watermarks(connection: Connection) -> dict[StreamId, Watermark]:
    """Every watermark there is."""
    rows = connection.execute(f"{_SELECT} order by connector, account_id, stream")
    return {StreamId(r["connector"], r["account_id"], r["stream"]): _from_row(r) for r in rows}


async def advance_report(
    connection: AsyncConnection,
    stream: StreamId,
    *,
    complete_from: datetime,
    complete_to: datetime,
    first_day: date,
    settled_through: date,
) -> Watermark:
    """Add a stored stretch of complete report days. Call it in the transaction that stores them.

    `settled_through` is the last day of the stretch the vendor no longer changes; it may lie before `first_day`.
    """
    values = {
        **stream.parameters,
        "complete_from": complete_from,
        "complete_to": complete_to,
        "first_day": first_day,
        "settled_through": settled_through,
    }
    return await _advance(connection, "load/advance_report_watermark.sql", values)


async def advance_entity(
    connection: AsyncConnection, stream: StreamId, *, newest: datetime, swept_at: datetime | None
) -> Watermark:
    """Note the newest change read, and when everything was listed. Call it in the storing transaction."""
    values = {**stream.parameters, "watermark": newest, "swept_at": swept_at}
    return await _advance(connection, "load/advance_entity_watermark.sql", values)


async def _advance(connection: AsyncConnection, file: str, values: dict[str, Any]) -> Watermark:
    row = await (await connection.execute(sql_file(file), values)).fetchone()
    if row is None:
        raise psycopg.DataError(f"{file} returned nothing")
    return _from_row(row)


def mirror(client: redis.Redis, stream: StreamId, watermark: Watermark) -> None:
    """Copy a committed watermark to Redis. Redis being away is no reason to fail."""
    with contextlib.suppress(redis.RedisError):
        client.set(stream.redis_key, watermark.instant.isoformat())
