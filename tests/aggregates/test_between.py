"""Sums between two days, added up from months, weeks and days."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from facts import insert_days

from dataflow_assets.aggregates.between import families
from dataflow_assets.aggregates.buckets import bucket_of
from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.resources.warehouse import Connection, Warehouse, one
from dataflow_assets.windows import DayWindow

FIRST, LAST = date(2026, 1, 20), date(2026, 4, 10)
FAMILIES = families(all_aggregates())
CAMPAIGNS = next(family for family in FAMILIES if family.function == "metrics.campaign_between")
WINDOWS = [
    (FIRST, LAST),
    (date(2026, 2, 1), date(2026, 2, 28)),  # a month, and a Monday neither first nor last
    (date(2026, 2, 23), date(2026, 3, 1)),  # a week in two months
    (date(2026, 3, 11), date(2026, 3, 11)),
    (date(2026, 2, 10), date(2026, 3, 20)),  # no month is whole
    (date(2025, 1, 1), date(2027, 1, 1)),
    (date(2026, 3, 2), date(2026, 3, 1)),
]


def rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    return connection.execute(query.encode()).fetchall()


def between(connection: Connection, first: date, last: date) -> list[dict[str, Any]]:
    """With ratios."""
    return rows(connection, f"select * from metrics.campaign_ratios_between('{first}', '{last}') order by 1, 2, 3, 4")


@pytest.fixture
def filled(warehouse: Warehouse, connection: Connection) -> Warehouse:
    insert_days(connection, FIRST, LAST, 3)
    refresh_days(warehouse, all_aggregates(), [])
    return warehouse


def test_every_family_has_a_function() -> None:
    assert {family.function for family in FAMILIES} == {
        f"metrics.{name}_between" for name in ("campaign", "channel", "conversion", "pipeline", "platform", "revenue")
    }


def test_buckets_between_two_days_hold_each_day_once_in_the_widest_bucket_that_fits(connection: Connection) -> None:
    begins = date(2027, 12, 25)  # to the other side of a 29th of February
    found = rows(
        connection,
        f"""
        select pair.first_day, pair.last_day, array_agg(array[bucket, part.first_day::text, part.past::text]) as parts
        from generate_series(date '{begins}', date '{begins}' + 40, interval '1 day') as firsts (first_at)
        cross join generate_series(0, 75) as days
        cross join lateral (select first_at::date as first_day, first_at::date + days as last_day) as pair
        cross join lateral dataflow.buckets_between(pair.first_day, pair.last_day) as part (bucket, first_day, past)
        group by 1, 2
        """,
    )
    assert len(found) == 41 * 76
    for row in found:
        window = DayWindow(row["first_day"], row["last_day"] + timedelta(days=1))
        held: dict[date, str] = {}
        for bucket, first, past in row["parts"]:
            for day in DayWindow(date.fromisoformat(first), date.fromisoformat(past)).days:
                assert day not in held, "a day is counted once"
                held[day] = bucket
        assert held.keys() == set(window.days)
        fits = {day: whole_bucket(day, window) for day in window.days}
        assert held == fits


def whole_bucket(day: date, window: DayWindow) -> str:
    """The widest bucket of a day that lies in the window, and holds no day of a month that does."""

    def is_within(some: DayWindow) -> bool:
        return window.start <= some.start and some.end <= window.end

    if is_within(bucket_of(day, "month")):
        return "month"
    week = bucket_of(day, "week")
    if is_within(week) and not any(is_within(bucket_of(other, "month")) for other in week.days):
        return "week"
    return "day"


def test_sums_between_two_days_are_the_sums_of_these_days(filled: Warehouse, connection: Connection) -> None:
    del filled
    for family in FAMILIES:
        daily = family.daily
        columns = connection.execute(f"select * from {daily.relation} limit 0".encode()).description or ()
        sums = [column.name for column in columns if column.name not in daily.key]
        keys = ", ".join(daily.key[1:])
        for first, last in WINDOWS:
            of_days = (
                f"select {keys}, {', '.join(f'sum({name})' for name in sums)} from {daily.relation} "
                f"where day between '{first}' and '{last}' group by {keys}"
            )
            added = f"select {keys}, {', '.join(sums)} from {family.function}('{first}', '{last}')"
            different = rows(connection, f"({of_days} except all {added}) union all ({added} except all {of_days})")
            assert different == [], f"{family.function} {first} {last}"
    assert between(connection, FIRST, LAST) != []


def test_ratios_between_two_days_are_those_of_the_sums(filled: Warehouse, connection: Connection) -> None:
    del filled
    for row in between(connection, *WINDOWS[4]):
        assert row["ctr"] == round(row["clicks"] * 100 / row["impressions"], 6)
        assert row["roi"] == round((row["conversion_value"] - row["spend"]) * 100 / row["spend"], 6)


def test_a_function_that_is_gone_or_whose_family_has_changed_is_made_anew(
    filled: Warehouse, connection: Connection
) -> None:
    before = between(connection, FIRST, LAST)
    connection.execute("drop function metrics.campaign_ratios_between")
    refresh_days(filled, all_aggregates(), [])
    assert between(connection, FIRST, LAST) == before
    fewer = [
        replace(aggregate, ratios=aggregate.ratios[:1]) if aggregate.family == "campaign" else aggregate
        for aggregate in all_aggregates()
    ]
    refresh_days(filled, fewer, [])
    assert [set(before[0]) - set(row) for row in between(connection, FIRST, LAST)[:1]] == [
        {ratio.name for ratio in CAMPAIGNS.daily.ratios[1:]}
    ]


def test_a_function_is_left_as_it_is_while_nothing_has_changed(filled: Warehouse, connection: Connection) -> None:
    oid = "select 'metrics.campaign_between'::regproc::oid as oid"
    before = one(connection, oid)
    refresh_days(filled, all_aggregates(), [LAST])
    assert one(connection, oid) == before


def test_a_family_that_is_not_whole_yet_has_no_function(warehouse: Warehouse, connection: Connection) -> None:
    refresh_days(warehouse, [family for family in all_aggregates() if family.bucket == "day"], [])
    assert one(connection, "select to_regproc('metrics.campaign_between') as oid") == {"oid": None}
    refresh_days(warehouse, CAMPAIGNS.parts[:2], [])
    assert one(connection, "select to_regproc('metrics.campaign_between') as oid") == {"oid": None}
    refresh_days(warehouse, all_aggregates(), [])
    assert between(connection, FIRST, LAST) == []
