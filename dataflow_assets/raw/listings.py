"""Long listings that are stored in parts: where one that broke off goes on."""

from dataclasses import dataclass
from datetime import datetime

from dataflow_assets.raw.ledger import RESUME_WITHIN, hold
from dataflow_assets.resources.warehouse import AsyncConnection
from dataflow_assets.resources.watermarks import StreamId


@dataclass
class Listing:
    """A reading of which parts are stored. However many processes it takes, it counts from when the first began.

    Twice: `read_at` at the vendor, `started_at` by the one clock all processes share.
    """

    id: str
    read_at: datetime
    started_at: datetime
    resume_after: str = ""  # as the connector says it
    newest: datetime | None = None  # by the stream's cursor
    all_good: bool = True  # no record of any part went to quarantine
    is_held: bool = False  # by this process


async def unfinished(connection: AsyncConnection, stream: StreamId, window: str, now: datetime) -> Listing | None:
    """A listing of the same window whose process is gone, if it began less than 12 hours before `now` at the vendor.

    It is held by a session lock, which the database drops when the process dies: two never go on with the same one.
    """
    cursor = await connection.execute(
        """
        select listing_id, read_at, started_at, resume_after, newest, all_good from dataflow.unfinished_listings
        where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)
            and sync_window = %(window)s and read_at > %(now)s - %(span)s::interval
        order by read_at desc
        """,
        {**stream.parameters, "window": window, "now": now, "span": RESUME_WITHIN},
    )
    for row in await cursor.fetchall():
        listing = Listing(
            str(row["listing_id"]),
            row["read_at"],
            row["started_at"],
            row["resume_after"],
            row["newest"],
            row["all_good"],
        )
        if await hold(connection, listing.id):
            listing.is_held = True
            return listing
    return None


async def save(connection: AsyncConnection, stream: StreamId, window: str, listing: Listing) -> None:
    """Note how far a listing has come. Call it in the transaction that stores the part."""
    if not listing.is_held:
        listing.is_held = await hold(connection, listing.id)
    await connection.execute(
        """
        insert into dataflow.unfinished_listings (
            listing_id, connector, account_id, stream, sync_window, read_at, started_at, resume_after, newest, all_good
        ) values (
            %(id)s, %(connector)s, %(account)s, %(stream)s, %(window)s, %(read_at)s, %(started_at)s, %(resume_after)s,
            %(newest)s, %(all_good)s
        )
        on conflict (listing_id) do update
        set resume_after = excluded.resume_after, newest = excluded.newest, all_good = excluded.all_good
        """,
        {**stream.parameters, "window": window, **vars(listing)},
    )


async def finish(connection: AsyncConnection, stream: StreamId, listing: Listing) -> None:
    """Forget a listing that has come to its end, and earlier ones. Call it in the transaction that stores the end."""
    await connection.execute(
        """
        delete from dataflow.unfinished_listings
        where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s) and read_at <= %(read_at)s
        """,
        {**stream.parameters, "read_at": listing.read_at},
    )
