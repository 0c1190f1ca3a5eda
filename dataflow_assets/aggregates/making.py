"""Makes aggregates and the views on them, anew when their definition or the engine has changed, one at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from dataflow_assets.aggregates.backends import Backend, run
from dataflow_assets.aggregates.registry import Aggregate, Kept
from dataflow_assets.resources.warehouse import Connection, one
from dataflow_assets.windows import DayWindow


class HistoryAtRisk(Exception):
    """An aggregate would have to be made anew and holds days that its source no longer has."""


def ensure(connection: Connection, backend: Backend, aggregate: Aggregate, horizon: date | None = None) -> bool:
    """Make the aggregate, or make it anew when its definition or the engine has changed.

    `horizon` is the first day that is kept of the fact below, if it is not kept for ever.

    Returns: whether it must be filled whole: it has not been since it was made, or since its parent was filled.
    Raises: HistoryAtRisk.
    """
    wanted = aggregate.definition_hash(backend.name)
    known = connection.execute(
        "select definition_hash, ratios_hash from dataflow.aggregates where name = %s", (aggregate.name,)
    ).fetchone()
    kind = _kind(connection, aggregate.relation)
    # One transaction: whoever is killed in here leaves everything as it was, and a record tells of what is there.
    with connection.transaction():
        if not known or known["definition_hash"] != wanted or kind is None:
            if kind is not None:
                if horizon is not None:
                    _refuse_to_forget(connection, aggregate)
                drop(connection, aggregate.relation)
            backend.create(connection, aggregate)
            if aggregate.index_statement:
                run(connection, aggregate.index_statement)
            connection.execute(
                """
                insert into dataflow.aggregates (name, definition_hash, backend) values (%s, %s, %s)
                on conflict (name) do update
                    set definition_hash = excluded.definition_hash, backend = excluded.backend,
                        created_at = now(), filled_at = null, refreshed_at = null, verified_at = null,
                        ratios_hash = null
                """,
                (aggregate.name, wanted, backend.name),
            )
        _ensure_ratios(connection, aggregate)
    return not one(
        connection,
        """
        select coalesce(own.filled_at > parent.filled_at, own.filled_at is not null) as filled
        from dataflow.aggregates as own
        left join dataflow.aggregates as parent on parent.name = %(parent)s
        where own.name = %(name)s
        """,
        {"name": aggregate.name, "parent": aggregate.parent},
    )["filled"]


def drop(connection: Connection, relation: str) -> None:
    """Drop an aggregate of either engine with all that stands on it."""
    if _kind(connection, relation) == "r":
        run(connection, f"drop table {relation} cascade")
        return
    # From the top down: cascading stops at a view that stands on a continuous aggregate two levels above.
    above = connection.execute(
        """
        with recursive above as (
            select *, 0 as level from timescaledb_information.continuous_aggregates
            where format('%%I.%%I', view_schema, view_name)::regclass = %s::regclass
            union all
            select child.*, level + 1
            from timescaledb_information.continuous_aggregates as child
            inner join above
                on child.hypertable_schema = above.materialization_hypertable_schema
                and child.hypertable_name = above.materialization_hypertable_name
        )
        select format('%%I.%%I', view_schema, view_name) as relation from above order by level desc
        """,
        (relation,),
    ).fetchall()
    for row in above:
        run(connection, f"drop materialized view {row['relation']} cascade")


@contextmanager
def exclusive(connection: Connection, aggregate: Kept) -> Iterator[None]:
    """Hold an aggregate for one refresh at a time, across processes."""
    connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (aggregate.relation,))
    try:
        yield
    finally:
        connection.execute("select pg_advisory_unlock(hashtextextended(%s, 0))", (aggregate.relation,))


def source_range(connection: Connection, aggregate: Aggregate) -> DayWindow | None:
    """All days the source holds, or None when it is empty."""
    return _range(connection, aggregate.source, aggregate.source_day)


def stored_range(connection: Connection, aggregate: Aggregate) -> DayWindow | None:
    """From the first bucket the aggregate holds through the first day of its last, or None when it is empty."""
    return _range(connection, aggregate.relation, aggregate.bucket)


def _range(connection: Connection, relation: str, day: str) -> DayWindow | None:
    row = run(connection, f"select min({day}) as first, max({day}) + 1 as past from {relation}").fetchone()
    return DayWindow(row["first"], row["past"]) if row and row["first"] is not None else None


def _ensure_ratios(connection: Connection, aggregate: Aggregate) -> None:
    wanted, view = aggregate.ratios_hash, aggregate.ratios_relation
    known = one(
        connection, "select ratios_hash from dataflow.aggregates where name = %(name)s", {"name": aggregate.name}
    )["ratios_hash"]
    if wanted == known and (view is None or _kind(connection, view) is not None):
        return
    if view is not None:
        run(connection, f"drop view if exists {view} cascade")
        run(connection, f"create view {view} as {aggregate.ratios_select}")
    connection.execute("update dataflow.aggregates set ratios_hash = %s where name = %s", (wanted, aggregate.name))


def _kind(connection: Connection, relation: str) -> str | None:
    found = one(
        connection,
        "select (select relkind from pg_class where oid = to_regclass(%(name)s)) as kind",
        {"name": relation},
    )["kind"]
    return None if found is None else str(found)


def _refuse_to_forget(connection: Connection, aggregate: Aggregate) -> None:
    stored, source = stored_range(connection, aggregate), source_range(connection, aggregate)
    if stored is not None and (source is None or stored.start < source.start):
        raise HistoryAtRisk(
            f"{aggregate.relation} has another definition now and would have to be made anew, but it holds days from "
            f"{stored.start} on, and {aggregate.source} only from {source.start if source else 'nowhere'} on: the rest "
            "has been dropped by retention. Nothing was changed. Bring the facts of these days back with a backfill "
            "while DATAFLOW_STORAGE__RETENTION_DAYS is not set, or keep the old definition."
        )
