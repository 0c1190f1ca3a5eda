"""Sums over the last so many days, kept as a table: `metrics.trailing_campaign_metrics where days = 30`.

In: an aggregate by day whose header says `trailing: 7, 30`, and the function that adds its family up. Out: a row for
each of these and each thing, up to the newest day there are figures of. A table on every engine: its end moves along.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from dataflow_assets.aggregates.backends import give_room, run
from dataflow_assets.aggregates.between import Family, ensure_functions, families
from dataflow_assets.aggregates.making import exclusive
from dataflow_assets.aggregates.refresh import Refreshed, remember
from dataflow_assets.aggregates.registry import SCHEMA, Aggregate
from dataflow_assets.aggregates.sweep import Swept
from dataflow_assets.resources.warehouse import Connection, Warehouse, one
from dataflow_assets.windows import DayWindow

ENGINE = "plain"


@dataclass(frozen=True)
class Trailing:
    """A family over the last so many days. Its buckets are these stretches, named by their first days."""

    family: Family

    source_day = "day"
    bucket = "first_day"

    @property
    def name(self) -> str:
        """Its name."""
        return f"trailing_{self.family.daily.family}_metrics"

    @property
    def relation(self) -> str:
        """The same with its schema."""
        return f"{SCHEMA}.{self.name}"

    @property
    def ratios_relation(self) -> str | None:
        """Qualified name of the view with its ratios; None when it has none."""
        return f"{SCHEMA}.trailing_{self.family.daily.family}_ratios" if self.family.daily.ratios else None

    @property
    def source(self) -> str:
        """The aggregate by day, which it must equal."""
        return self.family.daily.relation

    @property
    def days(self) -> tuple[int, ...]:
        """How many days each stretch has."""
        return self.family.daily.trailing

    @property
    def description(self) -> str:
        """For people."""
        lengths = ", ".join(str(days) for days in self.days)
        return f"Sums of {self.source} over its last {lengths} days, up to the newest there are figures of."

    @property
    def select(self) -> str:
        """What the table holds."""
        days = ", ".join(str(days) for days in self.days)
        return (
            "select\n    stretch.days,\n    newest.day - stretch.days + 1 as first_day,\n    newest.day as last_day,\n"
            f"    sums.*\nfrom (select max(day) as day from {self.source}) as newest\n"
            f"cross join unnest(array[{days}]) as stretch (days)\n"
            f"cross join lateral {self.family.function}(newest.day - stretch.days + 1, newest.day) as sums"
        )


def trailings(aggregates: Sequence[Aggregate]) -> list[Trailing]:
    """Those of whole families whose header asks for one."""
    return [Trailing(family) for family in families(aggregates) if family.daily.trailing]


def refresh_trailing(warehouse: Warehouse, wanted: Sequence[Trailing]) -> list[Refreshed]:
    """Compute each anew and compare it with the sums of its days. Its family must be there, and refreshed."""
    with warehouse.connect(autocommit=True) as connection:
        give_room(connection)
        results = []
        for trailing in wanted:
            with exclusive(connection, trailing):
                is_new = fill_trailing(connection, trailing)
                stale = _stale(connection, trailing)
                remember(connection, trailing, is_whole=True, is_equal=not stale)
                window, rows = _held(connection, trailing)
            windows = () if window is None else (window,)
            results.append(Refreshed(trailing, ENGINE, windows, is_new, repaired=(), stale=stale, rows=rows))
        return results


def sweep_trailing(warehouse: Warehouse, wanted: Sequence[Trailing]) -> Iterator[Swept]:
    """Compare each as it stands, and compute anew what differs. After a sweep of its family."""
    with warehouse.connect(autocommit=True) as connection:
        give_room(connection)
        for trailing in wanted:
            with exclusive(connection, trailing):
                is_new = _ensure(connection, trailing)
                found = _stale(connection, trailing)
                if found or is_new:
                    fill_trailing(connection, trailing)
                stale = _stale(connection, trailing) if found else ()
                remember(connection, trailing, is_whole=bool(found), is_equal=not stale)
                window, _ = _held(connection, trailing)
            repaired = () if is_new else tuple(day for day in found if day not in stale)
            yield Swept(trailing, window, repaired, stale)


def _ensure(connection: Connection, trailing: Trailing) -> bool:
    """Make the empty table and the view with its ratios, anew when the definition has changed. Whether it did."""
    family = trailing.family
    ensure_functions(connection, family.parts)
    relations = [trailing.relation, *([trailing.ratios_relation] if trailing.ratios_relation else [])]
    known = one(
        connection,
        """
        select
            own.definition_hash,
            family.between_hash,
            (select count(to_regclass(name)) from unnest(%(relations)s::text[]) as names (name)) as there
        from dataflow.aggregates as family
        left join dataflow.aggregates as own on own.name = %(own)s
        where family.name = %(family)s
        """,
        {"relations": relations, "own": trailing.name, "family": family.monthly.name},
    )
    # The function decides about the columns.
    wanted = hashlib.sha256(f"{trailing.select}\n{known['between_hash']}".encode()).hexdigest()
    if known["there"] == len(relations) and known["definition_hash"] == wanted:
        return False
    key = ", ".join(("days", *family.daily.key[1:]))
    with connection.transaction():
        run(connection, f"drop table if exists {trailing.relation} cascade")
        run(connection, f"create table {trailing.relation} as {trailing.select} with no data")
        run(connection, f"create unique index {trailing.name}_key on {trailing.relation} ({key})")
        run(connection, f"comment on table {trailing.relation} is '{trailing.description}'")
        if trailing.ratios_relation:
            select = family.daily.with_ratios(trailing.relation)
            run(connection, f"create view {trailing.ratios_relation} as {select}")
        connection.execute(
            """
            insert into dataflow.aggregates (name, definition_hash, backend) values (%s, %s, %s)
            on conflict (name) do update set definition_hash = excluded.definition_hash, created_at = now(),
                filled_at = null, refreshed_at = null, verified_at = null
            """,
            (trailing.name, wanted, ENGINE),
        )
    return True


def fill_trailing(connection: Connection, trailing: Trailing) -> bool:
    """Replace all rows. Whether the table is new."""
    is_new = _ensure(connection, trailing)
    key = ", ".join(("days", *trailing.family.daily.key[1:]))
    with connection.transaction():
        run(connection, f"delete from {trailing.relation}")
        run(connection, f"insert into {trailing.relation} {trailing.select} order by {key}")
    return is_new


def _stale(connection: Connection, trailing: Trailing) -> tuple[date, ...]:
    """First days of the stretches that are not the sums of their days, or end elsewhere than the newest day."""
    daily = trailing.family.daily
    keys = ", ".join(daily.key[1:])
    with connection.cursor() as cursor:
        described = cursor.execute(f"select * from {trailing.relation} limit 0".encode()).description or ()
    sums = [column.name for column in described if column.name not in {"days", "first_day", "last_day", *daily.key}]
    newest = one(connection, f"select max(day) as day from {daily.relation}")["day"]
    # Each by itself: a join of days and stretches keeps the planner from knowing how many rows there are.
    expected = " union all ".join(
        f"select {days} as days, %(newest)s::date - {days - 1} as first_day, %(newest)s::date as last_day, {keys}, "
        f"{', '.join(f'sum({name}) as {name}' for name in sums)} from {daily.relation} "
        f"where day > %(newest)s::date - {days} and day <= %(newest)s::date group by {keys}"
        for days in trailing.days
    )
    rows = run(
        connection,
        f"""
        with expected as ({expected}),
        stored as (select days, first_day, last_day, {keys}, {", ".join(sums)} from {trailing.relation})
        select distinct first_day from (
            (select * from expected except all select * from stored)
            union all
            (select * from stored except all select * from expected)
        ) as different order by 1
        """,
        {"newest": newest},
    )
    return tuple(row["first_day"] for row in rows)


def _held(connection: Connection, trailing: Trailing) -> tuple[DayWindow | None, int]:
    """From the first day of the longest stretch through the last day, and the number of rows."""
    found = one(
        connection,
        f"select min(first_day) as first, max(last_day) + 1 as past, count(*) as n from {trailing.relation}",
    )
    return (DayWindow(found["first"], found["past"]) if found["n"] else None), found["n"]
