"""The record of every slice: what was asked, what it cost, how it ended; and which attempts are unfinished."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from dataflow_assets.connectors.base import Since, Window
from dataflow_assets.raw.decode import Rejected
from dataflow_assets.resources.http import Tally
from dataflow_assets.resources.warehouse import AsyncConnection
from dataflow_assets.resources.watermarks import StreamId
from dataflow_assets.windows import DayWindow, contiguous

PART = ", in parts"  # of a window's name: other parts of the same reading follow
RESUME_WITHIN = "12 hours"  # an older half-done read would mix figures of two days


@dataclass
class Counts:
    """Rows of one or more slices."""

    read: int = 0
    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    quarantined: int = 0
    duplicate: int = 0

    def add(self, other: "Counts") -> None:
        """Add other counts to these."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def written(self) -> int:
        """Rows the target gained, changed or lost."""
        return self.inserted + self.updated + self.deleted


async def begin_attempt(
    connection: AsyncConnection, stream: StreamId, window: DayWindow, now: datetime
) -> tuple[str, list[DayWindow]]:
    """Start reading a window, or go on with an unfinished attempt up to the same day whose process is gone.

    `now` is the time at the vendor: what was read long ago by its clock is read again.

    Returns the attempt's id and the days still to read. The attempt is held by a session lock, which the database drops
    when the process dies: two living processes never take the same attempt.
    """
    cursor = await connection.execute(
        f"""
        select attempt_id, window_start, window_end from dataflow.sync_attempts
        where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)
            and finished_at is null and started_at > %(now)s - interval '{RESUME_WITHIN}'
            and window_end = %(end)s
        order by started_at desc
        """,
        {**stream.parameters, "end": window.end, "now": now},
    )
    for row in await cursor.fetchall():
        attempt = str(row["attempt_id"])
        if await hold(connection, attempt):
            whole = DayWindow(min(row["window_start"], window.start), window.end)
            await connection.execute(
                "update dataflow.sync_attempts set window_start = %s where attempt_id = %s", (whole.start, attempt)
            )
            return attempt, contiguous(set(whole.days) - await _published_days(connection, attempt))
    attempt = str(uuid.uuid4())
    await hold(connection, attempt)
    await connection.execute(
        """
        insert into dataflow.sync_attempts (
            attempt_id, connector, account_id, stream, window_start, window_end, started_at
        )
        values (%(attempt)s, %(connector)s, %(account)s, %(stream)s, %(start)s, %(end)s, %(now)s)
        """,
        {**stream.parameters, "attempt": attempt, "start": window.start, "end": window.end, "now": now},
    )
    return attempt, [window]


async def finish_attempt(connection: AsyncConnection, attempt: str) -> None:
    """Note that every day of the attempt has been read, and let go of it."""
    await connection.execute("update dataflow.sync_attempts set finished_at = now() where attempt_id = %s", (attempt,))
    await connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (attempt,))


async def hold(connection: AsyncConnection, attempt: str) -> bool:
    """Take the session lock of a reading; False when another session has it. As often as one likes."""
    cursor = await connection.execute("select pg_try_advisory_lock(hashtextextended(%s, 0)) as held", (attempt,))
    row = await cursor.fetchone()
    return bool(row and row["held"])


async def _published_days(connection: AsyncConnection, attempt: str) -> set[date]:
    cursor = await connection.execute(
        """
        select window_start, window_end from dataflow.sync_ledger
        where attempt_id = %s and outcome in ('published', 'superseded')
        """,
        (attempt,),
    )
    return {day for row in await cursor.fetchall() for day in DayWindow(row["window_start"], row["window_end"]).days}


async def days_read_later(
    connection: AsyncConnection, stream: StreamId, window: DayWindow, fetch_started_at: datetime
) -> set[date]:
    """Days of this window that were published from a reading that began after ours: there ours is out of date."""
    cursor = await connection.execute(
        """
        select window_start, window_end from dataflow.sync_ledger
        where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)
            and outcome = 'published' and fetch_started_at > %(at)s
            and window_start < %(end)s and window_end > %(start)s
        """,
        {**stream.parameters, "at": fetch_started_at, "start": window.start, "end": window.end},
    )
    published = [DayWindow(row["window_start"], row["window_end"]) for row in await cursor.fetchall()]
    return {day for day in window.days if any(day in other for other in published)}


async def listed_later(connection: AsyncConnection, stream: StreamId, fetch_started_at: datetime) -> bool:
    """Whether everything was listed in a reading that began after ours: then ours has nothing new to tell."""
    cursor = await connection.execute(
        """
        select 1 from dataflow.sync_ledger
        where (connector, account_id, stream) = (%(connector)s, %(account)s, %(stream)s)
            and outcome = 'published' and fetch_started_at > %(at)s and sync_window = %(everything)s
        limit 1
        """,
        {**stream.parameters, "at": fetch_started_at, "everything": str(Since())},
    )
    return await cursor.fetchone() is not None


async def record_slice(
    connection: AsyncConnection,
    stream: StreamId,
    window: Window,
    *,
    sync_id: str,
    attempt: str | None,
    outcome: str,
    fetch_started_at: datetime,
    counts: Counts,
    tally: Tally,
    run_id: str | None,
    error: str | None = None,
    part: bool = False,
) -> None:
    """Write the ledger row of a slice, or of a part of it that others follow.

    A published slice's row belongs into its publishing transaction.
    """
    days = window if isinstance(window, DayWindow) else window.days
    values: dict[str, Any] = {
        **stream.parameters,
        "sync_id": sync_id,
        "attempt": attempt,
        "window": f"{window}{PART}" if part else str(window),
        "start": days.start if days else None,
        "end": days.end if days else None,
        "outcome": outcome,
        "error": error,
        "fetch_started_at": fetch_started_at,
        "run_id": run_id,
        "requests": tally.requests,
        "retries": tally.retries,
        "bytes": tally.bytes,
        "wait_seconds": tally.budget_wait_seconds + tally.retry_wait_seconds,
        **vars(counts),
    }
    await connection.execute(
        """
        insert into dataflow.sync_ledger (
            sync_id, attempt_id, connector, account_id, stream, sync_window, window_start, window_end, outcome, error,
            fetch_started_at, rows_read, rows_inserted, rows_updated, rows_deleted, rows_unchanged, rows_quarantined,
            rows_duplicate, requests, retries, response_bytes, wait_seconds, run_id
        ) values (
            %(sync_id)s, %(attempt)s, %(connector)s, %(account)s, %(stream)s, %(window)s, %(start)s, %(end)s,
            %(outcome)s, %(error)s, %(fetch_started_at)s, %(read)s, %(inserted)s, %(updated)s, %(deleted)s,
            %(unchanged)s, %(quarantined)s, %(duplicate)s, %(requests)s, %(retries)s, %(bytes)s, %(wait_seconds)s,
            %(run_id)s
        )
        """,
        values,
    )


async def set_aside(connection: AsyncConnection, stream: StreamId, sync_id: str, rejected: Sequence[Rejected]) -> None:
    """Put rejected records into quarantine. Part of the publishing transaction."""
    if not rejected:
        return
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """
            insert into dataflow.quarantine (connector, account_id, stream, sync_id, reason, payload)
            values (%s, %s, %s, %s, %s, %s)
            on conflict (connector, stream, account_id, md5(payload)) where replayed_at is null
            do update set sync_id = excluded.sync_id, reason = excluded.reason, last_seen_at = now()
            """,
            [
                (stream.connector, stream.account, stream.stream, sync_id, item.reason, item.payload)
                for item in rejected
            ],
        )


async def notice_unknown_fields(connection: AsyncConnection, stream: StreamId, names: set[str]) -> list[str]:
    """Remember fields the stream does not declare. Returns those seen for the first time."""
    new = []
    for name in sorted(names):
        cursor = await connection.execute(
            """
            insert into dataflow.notices as known (connector, stream, subject, message)
            values (%s, %s, %s, %s)
            on conflict (connector, stream, subject) do update set last_seen_at = now()
            returning (known.xmax = 0) as is_new
            """,
            (
                stream.connector,
                stream.stream,
                f"unknown field {name}",
                f"{stream.connector} sends {name!r} in {stream.stream}, which is not declared; it is kept in _extra.",
            ),
        )
        row = await cursor.fetchone()
        if row and row["is_new"]:
            new.append(name)
    return new
