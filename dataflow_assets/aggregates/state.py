"""How an aggregate stands, for people: what it holds, how fresh it is, what it costs, how its facts are stored."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from dataflow_assets.aggregates.backends import run
from dataflow_assets.aggregates.policies import policy_states
from dataflow_assets.aggregates.registry import Kept
from dataflow_assets.resources.warehouse import Connection, extension_state, one

# The rows of a continuous aggregate lie in a hypertable of TimescaleDB's own.
_MATERIALIZED_IN = """
    select format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)::regclass
    from timescaledb_information.continuous_aggregates where view_schema = %(schema)s and view_name = %(name)s
"""


@dataclass(frozen=True)
class Standing:
    """`last_day` is the newest day of the facts below. `compression_ratio`: of those facts packed as columns."""

    rows: int
    first_bucket: date | None
    last_bucket: date | None
    last_day: date | None
    refreshed_at: datetime | None
    verified_at: datetime | None
    bytes_on_disk: int
    compression_ratio: float | None
    policies: str | None

    def lag_days(self, today: date) -> int | None:
        """Days from the newest one there are figures of until today."""
        return (today - self.last_day).days if self.last_day else None


def standing(connection: Connection, aggregate: Kept) -> Standing:
    """How an aggregate stands; it has been made."""
    held = run(
        connection,
        f"select count(*) as n, min({aggregate.bucket}) as first, max({aggregate.bucket}) as last "
        f"from {aggregate.relation}",
    ).fetchone()
    newest = run(connection, f"select max({aggregate.source_day}) as day from {aggregate.source}").fetchone()
    known = one(
        connection,
        "select refreshed_at, verified_at from dataflow.aggregates where name = %(name)s",
        {"name": aggregate.name},
    )
    if held is None or newest is None:
        raise LookupError("a query that always has a row had none")
    storage = [s for s in policy_states(connection) if s.fact == aggregate.source]
    return Standing(
        rows=held["n"],
        first_bucket=held["first"],
        last_bucket=held["last"],
        last_day=newest["day"],
        bytes_on_disk=_bytes(connection, aggregate),
        compression_ratio=_compression(connection, aggregate.source) if storage else None,
        policies=str(storage[0]) if storage else None,
        **known,
    )


def in_words(found: Standing, today: date) -> dict[str, Any]:
    """As metadata of an asset. Only what is known."""
    values = {
        "dagster/row_count": found.rows,
        "window": f"{found.first_bucket}...{found.last_bucket}" if found.rows else "empty",
        "newest_day": found.last_day.isoformat() if found.last_day else None,
        "lag_days": found.lag_days(today),
        "refreshed_at": found.refreshed_at.isoformat() if found.refreshed_at else None,
        "verified_at": found.verified_at.isoformat() if found.verified_at else None,
        "bytes_on_disk": found.bytes_on_disk,
        "compression_ratio_of_facts": found.compression_ratio,
        "storage_of_facts": found.policies,
    }
    return {name: value for name, value in values.items() if value is not None}


def _bytes(connection: Connection, aggregate: Kept) -> int:
    schema, name = aggregate.relation.split(".")
    names = {"schema": schema, "name": name, "relation": aggregate.relation}
    size = "pg_total_relation_size(%(relation)s::regclass)"
    if extension_state(connection) == "timescale":
        size = f"coalesce(hypertable_size(({_MATERIALIZED_IN})), {size})"
    row = run(connection, f"select {size} as size", names).fetchone()
    return int(row["size"]) if row else 0


def _compression(connection: Connection, fact: str) -> float | None:
    row = connection.execute(
        """
        select round(sum(before_compression_total_bytes) / nullif(sum(after_compression_total_bytes), 0), 1)::float
            as ratio
        from hypertable_columnstore_stats(%s::regclass)
        """,
        (fact,),
    ).fetchone()
    return row["ratio"] if row else None
