"""Compares aggregates with their sources, row for row."""

from collections.abc import Sequence
from datetime import date

from dataflow_assets.aggregates.backends import run, select_within
from dataflow_assets.aggregates.registry import Aggregate
from dataflow_assets.resources.warehouse import Connection, extension_state
from dataflow_assets.windows import DayWindow


def stale_buckets(connection: Connection, aggregate: Aggregate, window: DayWindow) -> list[date]:
    """First days of the buckets in which the aggregate differs from its source. The window is whole buckets."""
    bucket = aggregate.bucket
    with connection.transaction():
        if extension_state(connection) != "timescale":
            connection.execute("set local search_path = dataflow, public")
        rows = run(
            connection,
            f"""
            with expected as ({select_within(aggregate)}),
            stored as (select * from {aggregate.relation} where {bucket} >= %(start)s and {bucket} < %(end)s)
            select distinct {bucket} as bucket from (
                (select * from expected except all select * from stored)
                union all
                (select * from stored except all select * from expected)
            ) as different order by 1
            """,
            {"start": window.start, "end": window.end},
        )
        return [row["bucket"] for row in rows]


def stale_within(connection: Connection, aggregate: Aggregate, windows: Sequence[DayWindow]) -> list[date]:
    """As `stale_buckets`, over several windows."""
    return [day for window in windows for day in stale_buckets(connection, aggregate, window)]


def count_rows(connection: Connection, aggregate: Aggregate, window: DayWindow) -> int:
    """Rows the aggregate holds in a window."""
    bucket = aggregate.bucket
    row = run(
        connection,
        f"select count(*) as n from {aggregate.relation} where {bucket} >= %(start)s and {bucket} < %(end)s",
        {"start": window.start, "end": window.end},
    ).fetchone()
    return int(row["n"]) if row else 0
