"""Two ways to keep an aggregate, one interface: a TimescaleDB continuous aggregate, or a table of the same name.

Both run on an autocommit connection, since a continuous aggregate cannot be refreshed inside a transaction.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any, Protocol

import psycopg
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from dataflow_assets.aggregates.registry import Aggregate
from dataflow_assets.resources.warehouse import Connection, extension_state, one
from dataflow_assets.windows import DayWindow

# Refreshes of these return without error and leave a bucket out: timescale/timescaledb issues 8621, 10219, 10221.
FAULTY_VERSIONS = {"2.22.0", "2.28.0", "2.28.1", "2.28.2"}
OVERLAPPING_REFRESH = psycopg.errors.LockNotAvailable  # SQLSTATE 55P03


class FaultyServer(Exception):
    """The server's TimescaleDB is known to lose buckets."""


class Backend(Protocol):
    """What an engine must be able to do."""

    name: str

    def create(self, connection: Connection, aggregate: Aggregate) -> None:
        """Make the empty aggregate; the name is free."""

    def refresh(self, connection: Connection, aggregate: Aggregate, window: DayWindow) -> None:
        """Bring the buckets of a window, aligned to buckets, up to date with the source."""


class Timescale:
    """Continuous aggregates. Readers see a refresh all at once."""

    name = "timescale"

    def create(self, connection: Connection, aggregate: Aggregate) -> None:
        """Make the continuous aggregate without data. Real time is off: it would hide restated days."""
        _run(
            connection,
            f"create materialized view {aggregate.relation} with (tsdb.continuous, tsdb.materialized_only = true, "
            f"tsdb.create_group_indexes = false) as {aggregate.select} with no data",
        )

    # The loser of two overlapping refreshes fails at once and its part stays stale, so it must come again.
    @retry(
        retry=retry_if_exception_type(OVERLAPPING_REFRESH),
        wait=wait_random_exponential(max=5),
        stop=stop_after_attempt(12),
        reraise=True,
    )
    def refresh(self, connection: Connection, aggregate: Aggregate, window: DayWindow) -> None:
        """Refresh the window in one transaction; without the option readers see it bucket by bucket."""
        connection.execute(
            "call refresh_continuous_aggregate(%s, %s::date, %s::date, options => '{\"buckets_per_batch\": 0}')",
            (aggregate.relation, window.start, window.end),
        )


class Plain:
    """Tables, replaced window by window."""

    name = "plain"

    def create(self, connection: Connection, aggregate: Aggregate) -> None:
        """Make the empty table with a unique index on the key."""
        with connection.transaction():
            connection.execute("set local search_path = dataflow, public")
            _run(connection, f"create table {aggregate.relation} as {aggregate.select} with no data")
            _run(
                connection,
                f"create unique index {aggregate.name}_key on {aggregate.relation} ({', '.join(aggregate.key)})",
            )

    def refresh(self, connection: Connection, aggregate: Aggregate, window: DayWindow) -> None:
        """Delete the window's buckets and compute them anew, in one transaction."""
        with connection.transaction():
            connection.execute("set local search_path = dataflow, public")
            bounds = {"start": window.start, "end": window.end}
            _run(
                connection,
                f"delete from {aggregate.relation} where day >= %(start)s and day < %(end)s",
                bounds,
            )
            _run(connection, f"insert into {aggregate.relation} {_select_within(aggregate)}", bounds)


def backend_for(connection: Connection) -> Backend:
    """The best engine of this server. Raises FaultyServer for versions that lose buckets."""
    if extension_state(connection) != "timescale":
        return Plain()
    version = one(connection, "select extversion from pg_extension where extname = 'timescaledb'")["extversion"]
    if version in FAULTY_VERSIONS:
        raise FaultyServer(
            f"TimescaleDB {version} can leave buckets out of a refresh without an error. Nothing was refreshed. "
            "Update the extension to 2.29 or newer."
        )
    return Timescale()


def ensure(connection: Connection, backend: Backend, aggregate: Aggregate) -> bool:
    """Make the aggregate, or make it anew when its definition or the engine has changed. Returns whether it was."""
    wanted = aggregate.definition_hash(backend.name)
    known = connection.execute(
        "select definition_hash from dataflow.aggregates where name = %s", (aggregate.name,)
    ).fetchone()
    kind = one(
        connection,
        "select (select relkind from pg_class where oid = to_regclass(%(name)s)) as kind",
        {"name": aggregate.relation},
    )["kind"]
    if known and known["definition_hash"] == wanted and kind is not None:
        return False
    if kind is not None:
        # A continuous aggregate is a view in the catalogue, and is dropped as a materialized view.
        _run(connection, f"drop {'table' if kind == 'r' else 'materialized view'} {aggregate.relation} cascade")
    backend.create(connection, aggregate)
    connection.execute(
        """
        insert into dataflow.aggregates (name, definition_hash, backend) values (%s, %s, %s)
        on conflict (name) do update
            set definition_hash = excluded.definition_hash, backend = excluded.backend, created_at = now(),
                refreshed_at = null, verified_at = null
        """,
        (aggregate.name, wanted, backend.name),
    )
    return True


def source_range(connection: Connection, aggregate: Aggregate) -> DayWindow | None:
    """All days the source holds, or None when it is empty."""
    row = _run(
        connection,
        f"select min({aggregate.source_day}) as first, max({aggregate.source_day}) + 1 as past from {aggregate.source}",
    ).fetchone()
    return DayWindow(row["first"], row["past"]) if row and row["first"] is not None else None


def stale_buckets(connection: Connection, aggregate: Aggregate, window: DayWindow) -> list[date]:
    """Buckets of the window in which the aggregate differs from its source, row for row."""
    with connection.transaction():
        if extension_state(connection) != "timescale":
            connection.execute("set local search_path = dataflow, public")
        rows = _run(
            connection,
            f"""
            with expected as ({_select_within(aggregate)}),
            stored as (select * from {aggregate.relation} where day >= %(start)s and day < %(end)s)
            select distinct day from (
                (select * from expected except all select * from stored)
                union all
                (select * from stored except all select * from expected)
            ) as different order by day
            """,
            {"start": window.start, "end": window.end},
        )
        return [row["day"] for row in rows]


def count_rows(connection: Connection, aggregate: Aggregate, window: DayWindow) -> int:
    """Rows the aggregate holds in a window."""
    row = _run(
        connection,
        f"select count(*) as n from {aggregate.relation} where day >= %(start)s and day < %(end)s",
        {"start": window.start, "end": window.end},
    ).fetchone()
    return int(row["n"]) if row else 0


@contextmanager
def exclusive(connection: Connection, aggregate: Aggregate) -> Iterator[None]:
    """Hold an aggregate for one refresh at a time, across processes."""
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (aggregate.relation,))
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (aggregate.relation,))


def _select_within(aggregate: Aggregate) -> str:
    day = aggregate.source_day
    return aggregate.select_of(
        f"(select * from {aggregate.source} where {day} >= %(start)s and {day} < %(end)s) as source"
    )


def _run(connection: Connection, query: str, values: dict[str, date] | None = None) -> psycopg.Cursor[dict[str, Any]]:
    # Names and definitions come from our own files, never from data.
    return connection.execute(query, values)
