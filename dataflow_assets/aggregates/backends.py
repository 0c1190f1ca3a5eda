"""Two ways to keep an aggregate, one interface: a TimescaleDB continuous aggregate, or a table of the same name.

Both run on an autocommit connection, since a continuous aggregate cannot be refreshed inside a transaction.
"""

from typing import Any, Protocol

import psycopg
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from dataflow_assets.aggregates.registry import Aggregate
from dataflow_assets.resources.warehouse import Connection, extension_state, one
from dataflow_assets.windows import DayWindow

# Refreshes of these return without error and leave a bucket out: timescale/timescaledb issues 8621, 10219, 10221.
FAULTY_VERSIONS = {"2.22.0", "2.28.0", "2.28.1", "2.28.2"}
GROUPING_MEMORY = "64MB"  # a month of 2,000 campaigns takes 6 MB; on disk it is half as fast
OVERLAPPING_REFRESH = psycopg.errors.LockNotAvailable  # SQLSTATE 55P03


class FaultyServer(Exception):
    """The server's TimescaleDB is known to lose buckets."""


class Backend(Protocol):
    """What an engine must be able to do."""

    name: str

    def create(self, connection: Connection, aggregate: Aggregate) -> None:
        """Make the empty aggregate; the name is free."""

    def refresh(self, connection: Connection, aggregate: Aggregate, window: DayWindow, *, force: bool = False) -> None:
        """Bring the buckets of a window, aligned to buckets, up to date with the source.

        `force`: whatever the engine knows or believes about what has changed.
        """

    def fill(self, connection: Connection, aggregate: Aggregate, window: DayWindow) -> None:
        """Compute the aggregate over all there is, so that the rows of a bucket lie side by side."""


class Timescale:
    """Continuous aggregates. Readers see a refresh all at once."""

    name = "timescale"

    def create(self, connection: Connection, aggregate: Aggregate) -> None:
        """Make the continuous aggregate without data. Real time is off: it would hide restated days."""
        run(
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
    def refresh(self, connection: Connection, aggregate: Aggregate, window: DayWindow, *, force: bool = False) -> None:
        """Refresh the window in one transaction; without the option readers see it bucket by bucket."""
        connection.execute(
            """
            call refresh_continuous_aggregate(
                %s, %s::date, %s::date, force => %s, options => '{"buckets_per_batch": 0}'
            )
            """,
            (aggregate.relation, window.start, window.end, force),
        )

    def fill(self, connection: Connection, aggregate: Aggregate, window: DayWindow) -> None:
        """Refresh with groups made by sorting: made by hashing they come, and are stored, in no order."""
        connection.execute("set enable_hashagg = off")
        self.refresh(connection, aggregate, window)
        connection.execute("reset enable_hashagg")


class Plain:
    """Tables, replaced window by window."""

    name = "plain"

    def create(self, connection: Connection, aggregate: Aggregate) -> None:
        """Make the empty table with a unique index on the key."""
        with connection.transaction():
            connection.execute("set local search_path = dataflow, public")
            run(connection, f"create table {aggregate.relation} as {aggregate.select} with no data")
            run(
                connection,
                f"create unique index {aggregate.name}_key on {aggregate.relation} ({', '.join(aggregate.key)})",
            )

    def refresh(self, connection: Connection, aggregate: Aggregate, window: DayWindow, *, force: bool = False) -> None:
        """Delete the window's buckets and compute them anew, in one transaction: always by force."""
        del force
        with connection.transaction():
            connection.execute("set local search_path = dataflow, public")
            bounds = {"start": window.start, "end": window.end}
            bucket = aggregate.bucket
            run(
                connection,
                f"delete from {aggregate.relation} where {bucket} >= %(start)s and {bucket} < %(end)s",
                bounds,
            )
            in_order = f"{select_within(aggregate)} order by {', '.join(aggregate.key)}"
            run(connection, f"insert into {aggregate.relation} {in_order}", bounds)

    def fill(self, connection: Connection, aggregate: Aggregate, window: DayWindow) -> None:
        """As any refresh, which stores in the order of the key."""
        self.refresh(connection, aggregate, window)


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


def give_room(connection: Connection) -> None:
    """Let this session group and compare in memory, as one refresh at a time may. More, where the server gives more."""
    connection.execute(
        "select set_config('work_mem', %(least)s, false) "
        "where pg_size_bytes(current_setting('work_mem')) < pg_size_bytes(%(least)s)",
        {"least": GROUPING_MEMORY},
    )


def select_within(aggregate: Aggregate) -> str:
    """The definition over the source's days in a window, with the parameters `start` and `end`."""
    day = aggregate.source_day
    return aggregate.select_of(
        f"(select * from {aggregate.source} where {day} >= %(start)s and {day} < %(end)s) as source"
    )


def run(connection: Connection, query: str, values: dict[str, Any] | None = None) -> psycopg.Cursor[dict[str, Any]]:
    """Execute a statement made of names and definitions, which come from our own files, never from data."""
    return connection.execute(query, values)
