"""Functions that add up a family between any two days: `metrics.campaign_between('2026-10-02', '2026-10-31')`.

In: a family of daily, weekly and monthly aggregates. Out: a function that reads whole months and weeks where the days
hold some, and days at the edges: twelve months of a campaign are some thirty rows, not 365. And one with the ratios of
these sums, as the views have them: `metrics.campaign_ratios_between`.
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
    def ratios_function(self) -> str:
        """The same with ratios."""
        return f"{SCHEMA}.{self.daily.family}_ratios_between"

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


def statements(family: Family, types: dict[str, str]) -> list[str]:
    """What makes both functions. `types` holds the columns that all three have, in their order."""
    keys = family.daily.key[1:]
    sums = [name for name in types if name not in family.daily.key]
    returned = [f"{name} {types[name]}" for name in (*keys, *sums)]
    made_from = ", ".join(part.relation for part in family.parts)
    found = _made(family.function, returned, "plpgsql", _body(family, types, keys, sums), f"Sums. From {made_from}.")
    if family.daily.ratios:
        returned += [f"{ratio.name} numeric" for ratio in family.daily.ratios]
        # Plain SQL: of what is not asked for, or not on the page that is asked for, no ratio is computed.
        select = family.daily.with_ratios(f"{family.function}($1, $2)")
        found += _made(family.ratios_function, returned, "sql", select, f"Sums and their ratios. From {made_from}.")
    return found


def _made(name: str, returned: Sequence[str], language: str, body: str, comment: str) -> list[str]:
    shape = f"{name}(first_day date, last_day date) returns table ({', '.join(returned)})"
    return [
        f"create function {shape} language {language} stable parallel safe as $function${body}$function$",
        f"comment on function {name} is '{comment} Both days are included.'",
    ]


def _body(family: Family, types: dict[str, str], keys: Sequence[str], sums: Sequence[str]) -> str:
    # Bounds are looked up first: joined, they would keep the planner from knowing how few rows they leave, and it would
    # sort what it can hash.
    stretches = ", ".join(
        f"array_agg(daterange(stretch.first_day, stretch.past)) filter (where stretch.bucket = '{part.bucket}')"
        for part in family.parts
    )
    columns = ", ".join(f"part.{name}" for name in (*keys, *sums))
    reads = "\n        union all\n".join(
        f"        select {columns} from {part.relation} as part\n"
        f"        where part.{part.bucket} >= lower({part.bucket}s[{n}])\n"
        f"            and part.{part.bucket} < upper({part.bucket}s[{n}])"
        for part in family.parts
        for n in range(1, MOST_STRETCHES[part.bucket] + 1)
    )
    added = [*(f"parts.{key}" for key in keys), *(f"sum(parts.{name})::{types[name]}" for name in sums)]
    return f"""
declare
    {" ".join(f"{part.bucket}s daterange[];" for part in family.parts)}
begin
    select {stretches}
    into {", ".join(f"{part.bucket}s" for part in family.parts)}
    from dataflow.buckets_between($1, $2) as stretch;
    return query
    select {", ".join(added)}
    from (
{reads}
    ) as parts
    group by {", ".join(f"parts.{key}" for key in keys)};
end;
"""


def _ensure(connection: Connection, family: Family) -> None:
    types = _columns(connection, family)
    if not types:
        return
    wanted = statements(family, types)
    digest = hashlib.sha256("\n".join(wanted).encode()).hexdigest()
    functions = [family.function, family.ratios_function]
    known = one(
        connection,
        """
        select
            between_hash,
            (select count(to_regproc(name)) from unnest(%(functions)s::text[]) as names (name)) as there
        from dataflow.aggregates
        where name = %(name)s
        """,
        {"functions": functions, "name": family.monthly.name},
    )
    if known["between_hash"] == digest and known["there"] == sum(text.startswith("create") for text in wanted):
        return
    for function in functions:
        run(connection, f"drop function if exists {function} cascade")
    for text in wanted:
        run(connection, text)
    connection.execute(
        "update dataflow.aggregates set between_hash = %s where name = %s", (digest, family.monthly.name)
    )


def _columns(connection: Connection, family: Family) -> dict[str, str]:
    """Names and types of the columns that all three have, in their order: none while one has not been made."""
    relations = [part.relation for part in family.parts]
    rows = connection.execute(
        """
        select attname as name, format_type(min(atttypid), null) as type
        from pg_attribute
        where
            attrelid in (select to_regclass(name) from unnest(%s::text[]) as names (name))
            and attnum > 0 and not attisdropped
        group by attname
        having count(*) = %s
        order by min(attnum)
        """,
        (relations, len(relations)),
    )
    return {row["name"]: row["type"] for row in rows}
