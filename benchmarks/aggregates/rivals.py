"""Materialized views of the same definitions, which PostgreSQL can only compute as a whole.

`bench_ads`: each over the facts of ads, as somebody has them who has no aggregates. `bench`: on each other, as the
aggregates are.
"""

from collections.abc import Sequence

from dataflow_assets.aggregates.buckets import WIDTHS
from dataflow_assets.aggregates.registry import Aggregate
from dataflow_assets.aggregates.trailing import Trailing
from dataflow_assets.resources.warehouse import Connection

SCHEMAS = ("bench_ads", "bench")
COUNTS, AMOUNTS = ("impressions", "clicks"), ("spend", "conversions", "conversion_value")
_SUMS = ", ".join(f"sum({name}){'::bigint' if name in COUNTS else ''} as {name}" for name in (*COUNTS, *AMOUNTS))
_ADS = "(select *, date_day as day from marts.fct_ad_performance_daily where entity_level = 'ad') as ads"


def make_rivals(connection: Connection, ours: Sequence[Aggregate | Trailing]) -> None:
    """All of them, empty."""
    connection.execute("set search_path = dataflow, public")
    for schema in SCHEMAS:
        connection.execute(f"create schema {schema}".encode())
        for one in ours:
            select = _trailing(one, schema) if isinstance(one, Trailing) else _aggregate(one, schema)
            connection.execute(f"create materialized view {schema}.{one.name} as {select} with no data".encode())


def rebuild(connection: Connection, schema: str, name: str) -> None:
    """All of one."""
    connection.execute(f"refresh materialized view {schema}.{name}".encode())


def check_rival(connection: Connection, one: Aggregate | Trailing, schema: str) -> None:
    """Both hold the same rows, or no time is told."""
    columns = ", ".join((*_key(one), *COUNTS, *AMOUNTS))
    mine, theirs = (f"select {columns} from {name}" for name in (one.relation, f"{schema}.{one.name}"))
    query = f"({mine} except all {theirs}) union all ({theirs} except all {mine})"
    assert not connection.execute(query.encode()).fetchall(), f"{one.name} differs from its rival in {schema}"


def _key(one: Aggregate | Trailing) -> tuple[str, ...]:
    return ("days", *one.family.daily.key[1:]) if isinstance(one, Trailing) else one.key


def _aggregate(one: Aggregate, schema: str) -> str:
    if schema == "bench":
        return one.select.replace("from metrics.", "from bench.")
    groups = ", ".join(str(n + 1) for n in range(len(one.key)))
    return (
        f"select time_bucket('{WIDTHS[one.bucket]}', day) as {one.bucket}, {', '.join(one.key[1:])}, {_SUMS} "
        f"from {_ADS} group by {groups}"
    )


def _trailing(one: Trailing, schema: str) -> str:
    source = f"bench.{one.family.daily.name}" if schema == "bench" else _ADS
    keys = ", ".join(one.family.daily.key[1:])
    stretches = " union all ".join(
        f"select {days} as days, * from {source} where day > (select max(day) - {days} from {source})"
        for days in one.days
    )
    return f"select days, {keys}, {_SUMS} from ({stretches}) as stretches group by days, {keys}"
