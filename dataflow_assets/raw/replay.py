"""Records out of quarantine, judged again by the stream's present contract; those that keep it now land.

They take their place once: a report row only where no later reading has put one, an entity only if it is not older than
what is stored. Rows, touched days and the quarantine's own mark commit together.
"""

import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from dataflow_assets.connectors.base import Connector, Kind, Page, Since, Stream
from dataflow_assets.raw.batches import Packer
from dataflow_assets.raw.stage import Stage
from dataflow_assets.resources.warehouse import AsyncConnection, Warehouse, sql_file


@dataclass(frozen=True)
class Replayed:
    """What came of one account's records: how many landed or were already there, and how many still break it."""

    account: str
    accepted: int
    still_rejected: int


async def replay(warehouse: Warehouse, connector: Connector, stream: Stream) -> list[Replayed]:
    """Try every open record of a stream again."""
    async with await warehouse.connect_async() as connection:
        rows = await _open_records(connection, connector, stream)
        accounts = sorted({row["account_id"] for row in rows})
        return [
            await _replay_account(
                connection, connector, stream, account, [r for r in rows if r["account_id"] == account]
            )
            for account in accounts
        ]


async def _open_records(connection: AsyncConnection, connector: Connector, stream: Stream) -> list[dict[str, Any]]:
    cursor = await connection.execute(
        """
        select quarantine_id, account_id, payload, last_seen_at from dataflow.quarantine
        where connector = %s and stream = %s and replayed_at is null order by quarantine_id
        """,
        (connector.name, stream.name),
    )
    return await cursor.fetchall()


async def _replay_account(
    connection: AsyncConnection, connector: Connector, stream: Stream, account: str, rows: list[dict[str, Any]]
) -> Replayed:
    # A window that holds nothing back: the days of quarantined rows are their own.
    window = Since(cursor=None)
    packer = Packer(stream, window)
    accepted = []
    for row in rows:
        before = packer.rows
        packer.add(Page(msgspec.Raw(f"[{row['payload']}]".encode())))
        if packer.rows > before:
            accepted.append(row["quarantine_id"])
    stage = Stage(connection, connector, stream, window)
    await stage.take(packer.take())
    await stage.spill()
    if accepted:
        async with connection.transaction():
            values = {
                "connector": connector.name,
                "account": account,
                "stream": stream.name,
                "sync_id": str(uuid.uuid4()),
                "synced_at": rows[-1]["last_seen_at"],
                "is_sweep": False,
            }
            template = sql_file("load/restore_rows.sql") if stream.kind is Kind.REPORT else None
            await connection.execute(stage.statement(template), values)
            await connection.execute(
                "update dataflow.quarantine set replayed_at = now() where quarantine_id = any(%s)", (accepted,)
            )
    return Replayed(account, len(accepted), len(rows) - len(accepted))
