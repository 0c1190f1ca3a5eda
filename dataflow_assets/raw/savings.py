"""What reading everything would have cost, so that each run shows what it saved."""

from dataclasses import dataclass
from math import ceil

from psycopg import sql

from dataflow_assets.connectors.base import Connector, Kind, Since, Stream
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.ledger import PART
from dataflow_assets.resources.warehouse import AsyncConnection
from dataflow_assets.resources.watermarks import StreamId, Watermark


@dataclass(frozen=True)
class FullSync:
    """Requests of reading all of an account's stream; measured in the ledger, or estimated from rows and page size."""

    requests: int
    is_measured: bool


async def full_sync(
    connection: AsyncConnection, connector: Connector, stream: Stream, id_: StreamId, known: Watermark | None
) -> FullSync:
    """The latest full listing, or what the widest reading of report days cost for each day, times all known days."""
    if stream.kind is Kind.REPORT:
        measured = await _of_days(connection, id_, known)
    else:
        measured = await _of_listing(connection, id_)
    if measured:
        return FullSync(measured, is_measured=True)
    query = sql.SQL("select count(*) as rows from {} where _account_id = %s").format(table(connector, stream))
    row = await (await connection.execute(query, (id_.account,))).fetchone()
    return FullSync(max(ceil((row["rows"] if row else 0) / stream.page_size), 1), is_measured=False)


async def _of_listing(connection: AsyncConnection, id_: StreamId) -> int | None:
    cursor = await connection.execute(
        """
        with listings as (
            select fetch_started_at, requests, sync_window from dataflow.sync_ledger
            where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)
                and outcome = 'published' and sync_window = any(%(windows)s)
        )

        select sum(requests)::bigint as requests from listings
        where fetch_started_at = (select max(fetch_started_at) from listings where sync_window = %(whole)s)
        """,
        {**id_.parameters, "whole": str(Since()), "windows": [str(Since()), f"{Since()}{PART}"]},
    )
    row = await cursor.fetchone()
    return row["requests"] if row else None


async def _of_days(connection: AsyncConnection, id_: StreamId, known: Watermark | None) -> int | None:
    if known is None or known.complete_from is None:
        return None
    cursor = await connection.execute(
        """
        select sum(requests)::bigint as requests, sum(window_end - window_start)::bigint as days
        from dataflow.sync_ledger
        where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)
            and outcome = 'published' and attempt_id is not null
        group by attempt_id
        order by days desc, max(recorded_at) desc
        limit 1
        """,
        id_.parameters,
    )
    row = await cursor.fetchone()
    return ceil(row["requests"] / row["days"] * (known.instant - known.complete_from).days) if row else None
