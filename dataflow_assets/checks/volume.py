"""Does a raw table hold the rows it should? Compares it with the ledger of syncs and with its own past."""

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import sql

from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.raw.ddl import table
from dataflow_assets.resources.warehouse import Connection
from dataflow_assets.windows import DayWindow

USUAL_DAYS = 14  # how much past decides what is usual
ENOUGH_DAYS = 7  # with fewer days nothing is usual yet


@dataclass(frozen=True)
class Volume:
    """Rows looked at, open quarantined records, and what is wrong, a sentence each."""

    rows: int
    quarantined: int
    problems: tuple[str, ...]


def volume_problems(connection: Connection, connector: Connector, stream: Stream, window: DayWindow | None) -> Volume:
    """Count a stream's rows in a window of report days, or all, and name what is missing."""
    values = {
        "connector": connector.name,
        "stream": stream.name,
        "start": window.start if window else None,
        "end": window.end if window else None,
    }
    quarantined = connection.execute(
        """
        select count(*) as n from dataflow.quarantine
        where connector = %(connector)s and stream = %(stream)s and replayed_at is null
        """,
        values,
    ).fetchone()
    problems = _empty_days(connection, connector, stream, values) if stream.kind is Kind.REPORT else ()
    return Volume(_rows(connection, connector, stream, window), quarantined["n"] if quarantined else 0, tuple(problems))


def _rows(connection: Connection, connector: Connector, stream: Stream, window: DayWindow | None) -> int:
    query = sql.SQL("select count(*) as n from {}").format(table(connector, stream))
    if window is not None and stream.report_day:
        query += sql.SQL(" where {day} >= %(start)s and {day} < %(end)s").format(day=sql.Identifier(stream.report_day))
    row = connection.execute(query, {"start": window.start, "end": window.end} if window else {}).fetchone()
    return int(row["n"]) if row else 0


def _empty_days(
    connection: Connection, connector: Connector, stream: Stream, values: Mapping[str, object]
) -> list[str]:
    # A green sync with no rows is the costliest failure: an account that always had rows and now has none is named.
    found = connection.execute(
        sql.SQL(
            """
            with per_day as (
                select _account_id, {day} as day, count(*) as n from {table}
                where %(end)s::date is null or {day} < %(end)s
                group by 1, 2
            ),
            ranked as (
                select *, row_number() over (partition by _account_id order by day desc) as age from per_day
            ),
            usual as (
                select _account_id, count(*) as days, max(day) as newest from ranked where age <= {usual} group by 1
            ),
            read as (
                select account_id, max(window_end) - 1 as last_read from dataflow.sync_ledger
                where connector = %(connector)s and stream = %(stream)s and outcome = 'published'
                    and (%(end)s::date is null or window_end <= %(end)s)
                group by 1
            )
            select usual._account_id as account, usual.newest, read.last_read
            from usual join read on read.account_id = usual._account_id
            where usual.days >= {enough} and read.last_read - usual.newest > {patience}
            """
        ).format(
            day=sql.Identifier(stream.report_day or ""),
            table=table(connector, stream),
            usual=sql.Literal(USUAL_DAYS),
            enough=sql.Literal(ENOUGH_DAYS),
            patience=sql.Literal(1),
        ),
        values,
    ).fetchall()
    return [
        f"account {row['account']} has no rows after {row['newest']}, though days up to {row['last_read']} were read"
        for row in found
    ]
