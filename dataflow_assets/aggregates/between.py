"""Functions that add up a family between any two days: `metrics.campaign_between('2026-10-02', '2026-10-31')`.

In: a family of daily, weekly and monthly aggregates. Out: a function that reads whole months and weeks where the days
hold some, and days at the edges. Twelve months of a campaign are some twenty rows, not 365.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from dataflow_assets.aggregates.backends import run
from dataflow_assets.aggregates.buckets import WIDTHS
from dataflow_assets.aggregates.making import exclusive
from dataflow_assets.aggregates.registry import SCHEMA, Aggregate
from dataflow_assets.resources.warehouse import Connection, one

# How many stretches of each bucket there can be between two days: one of months, weeks before and after it, and days on
# either side of these.
MOST_STRETCHES = {"month": 1, "week": 2, "day": 4}


@dataclass(frozen=True)
class Family:
    """An aggregate by day with its roll-ups by week and month."""

    daily: Aggregate
    weekly: Aggregate
    monthly: Aggregate

    @property
    def function(self) -> str:
        """Qualified name of its function."""
        return f"{SCHEMA}.{self.daily.family}_between"

    @property
    def parts(self) -> tuple[Aggregate, ...]:
        """Its aggregates, from the widest bucket to the narrowest."""
        return self.monthly, self.weekly, self.daily


def families(aggregates: Sequence[Aggregate]) -> list[Family]:
    """Those that have all three buckets."""
    known = {(aggregate.family, aggregate.bucket): aggregate for aggregate in aggregates}
    names = dict.fromkeys(aggregate.family for aggregate in aggregates)
    return [
        Family(known[name, "day"], known[name, "week"], known[name, "month"])
        for name in names
        if {(name, bucket) for bucket in WIDTHS} <= known.keys()
    ]


def ensure_functions(connection: Connection, aggregates: Sequence[Aggregate]) -> None:
    """Make the functions of all families that are there, and make those anew whose definition has changed."""
    for family in families(aggregates):
        with exclusive(connection, family.monthly), connection.transaction():
            _ensure(connection, family)


def statement(family: Family, types: dict[str, str]) -> str:
    """What makes the function. `types` holds the columns that all three have, in their order.

    Bounds are looked up first and read as parameters: joined, they would keep the planner from knowing how few rows
    they leave, and it would sort what it can hash.
    """
    keys = family.daily.key[1:]
    sums = [name for name in types if name not in family.daily.key]
    returned = [f"{name} {types[name]}" for name in (*keys, *sums)]
    returned += [f"{ratio.name} numeric" for ratio in family.daily.ratios]
    reads = "\n        union all\n".join(
        f"        select {', '.join(f'part.{name}' for name in (*keys, *sums))}\n"
        f"        from {part.relation} as part\n"
        f"        where part.{part.bucket} >= lower({part.bucket}s[{n}])\n"
        f"            and part.{part.bucket} < upper({part.bucket}s[{n}])"
        for part in family.parts
        for n in range(1, MOST_STRETCHES[part.bucket] + 1)
    )
    added = [*keys, *(f"sum(parts.{name})::{types[name]} as {name}" for name in sums)]
    ratios = "".join(f",\n        {ratio.expression} as {ratio.name}" for ratio in family.daily.ratios)
    stretches = ", ".join(
        f"array_agg(daterange(found.first_day, found.past)) filter (where found.bucket = '{part.bucket}')"
        for part in family.parts
    )
    return f"""
create function {family.function}(first_day date, last_day date)
returns table ({", ".join(returned)})
language plpgsql stable parallel safe as $function$
#variable_conflict use_column
declare
    {" ".join(f"{part.bucket}s daterange[];" for part in family.parts)}
begin
    select {stretches}
    into {", ".join(f"{part.bucket}s" for part in family.parts)}
    from dataflow.buckets_between($1, $2) as found;
    return query
    select
        *{ratios}
    from (
        select {", ".join(added)}
        from (
{reads}
        ) as parts
        group by {", ".join(keys)}
    ) as sums;
end;
$function$"""


def _ensure(connection: Connection, family: Family) -> None:
    types = _columns(connection, family)
    if types is None:
        return
    wanted = statement(family, types)
    digest = hashlib.sha256(wanted.encode()).hexdigest()
    known = one(
        connection,
        "select between_hash, to_regprocedure(%(function)s) is not null as is_there from dataflow.aggregates "
        "where name = %(name)s",
        {"function": f"{family.function}(date, date)", "name": family.monthly.name},
    )
    if known["is_there"] and known["between_hash"] == digest:
        return
    run(connection, f"drop function if exists {family.function}(date, date) cascade")
    run(connection, wanted)
    run(
        connection,
        f"comment on function {family.function}(date, date) is 'Sums and their ratios from the first through the last "
        f"day. Made from {', '.join(part.relation for part in family.parts)}.'",
    )
    connection.execute(
        "update dataflow.aggregates set between_hash = %s where name = %s", (digest, family.monthly.name)
    )


def _columns(connection: Connection, family: Family) -> dict[str, str] | None:
    """Names and types of what can be added up, in their order; None while one of the three has not been made."""
    relations = [part.relation for part in family.parts]
    found = one(
        connection,
        "select bool_and(to_regclass(name) is not null) as are_there from unnest(%(names)s::text[]) as names (name)",
        {"names": relations},
    )
    if not found["are_there"]:
        return None
    rows = connection.execute(
        """
        select attname as name, format_type(min(atttypid), null) as type
        from pg_attribute
        where attrelid = any(%s::regclass[]) and attnum > 0 and not attisdropped
        group by attname
        having count(*) = %s
        order by min(attnum)
        """,
        (relations, len(relations)),
    )
    return {row["name"]: row["type"] for row in rows}
