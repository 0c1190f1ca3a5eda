"""Sums over the last so many days, kept as a table."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from facts import CAMPAIGN, insert_days, put

from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.trailing import Trailing, refresh_trailing, sweep_trailing, trailings
from dataflow_assets.resources.warehouse import Connection, Warehouse, one
from dataflow_assets.windows import DayWindow

FIRST, LAST = date(2026, 1, 5), date(2026, 4, 9)
(CAMPAIGNS,) = trailings(all_aggregates())
BEST = {"platform": "meta_ads", "account_id": "0", "campaign_id": "best", "currency": "EUR"}


def held(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("select * from metrics.trailing_campaign_metrics order by days, campaign_id").fetchall()


def of_days(connection: Connection, days: int) -> list[tuple[Any, ...]]:
    """What the fact says, with the newest day it has."""
    rows = connection.execute(
        """
        select campaign_id, sum(impressions)::bigint as impressions, sum(spend) as spend
        from marts.fct_campaign_performance
        where date_day > (select max(date_day) from marts.fct_campaign_performance) - %s group by 1 order by 1
        """,
        (days,),
    )
    return [tuple(row.values()) for row in rows]


def assert_equal_to_fact(connection: Connection) -> None:
    rows = held(connection)
    for days in CAMPAIGNS.days:
        found = [(r["campaign_id"], r["impressions"], r["spend"]) for r in rows if r["days"] == days]
        assert found == of_days(connection, days) != []


@pytest.fixture
def filled(warehouse: Warehouse, connection: Connection) -> Warehouse:
    insert_days(connection, FIRST, LAST, 3)
    refresh(warehouse)
    return warehouse


def refresh(warehouse: Warehouse, *days: date, trailing: Trailing = CAMPAIGNS) -> Any:
    refresh_days(warehouse, all_aggregates(), days)
    (done,) = refresh_trailing(warehouse, [trailing])
    assert done.stale == ()
    return done


def test_each_stretch_has_the_sums_of_its_days(filled: Warehouse, connection: Connection) -> None:
    assert CAMPAIGNS.days == (7, 30, 90, 365)
    assert_equal_to_fact(connection)
    assert {(row["days"], row["first_day"], row["last_day"]) for row in held(connection)} == {
        (days, LAST - timedelta(days=days - 1), LAST) for days in CAMPAIGNS.days
    }
    done = refresh(filled)
    assert (done.recreated, done.rows) == (False, 12)
    assert done.windows == (DayWindow(LAST - timedelta(days=364), LAST + timedelta(days=1)),)


def test_a_restated_day_and_a_newer_one_are_in_it_after_a_refresh(filled: Warehouse, connection: Connection) -> None:
    restated = LAST - timedelta(days=10)
    put(connection, CAMPAIGN, restated, BEST, {"impressions": 5, "spend": 7})
    refresh(filled, restated)
    assert_equal_to_fact(connection)
    assert [row["days"] for row in held(connection) if row["campaign_id"] == "best"] == [30, 90, 365]
    newer = LAST + timedelta(days=2)
    put(connection, CAMPAIGN, newer, BEST, {"impressions": 5, "spend": 7})
    refresh(filled, newer)
    assert_equal_to_fact(connection)
    assert {row["last_day"] for row in held(connection)} == {newer}


def test_ratios_are_those_of_the_sums(filled: Warehouse, connection: Connection) -> None:
    del filled
    for row in connection.execute("select * from metrics.trailing_campaign_ratios").fetchall():
        assert (row["ctr"], row["roi"]) == (round(row["clicks"] * 100 / row["impressions"], 6), -100)


def test_what_is_not_the_sum_of_its_days_is_named(filled: Warehouse, connection: Connection) -> None:
    # The months are wrong, and with them what is made of them.
    relation = "metrics.monthly_campaign_metrics"
    if one(connection, f"select relkind from pg_class where oid = '{relation}'::regclass")["relkind"] == "v":
        found = one(
            connection,
            "select format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name) as name "
            "from timescaledb_information.continuous_aggregates where view_name = 'monthly_campaign_metrics'",
        )
        relation = found["name"]
    connection.execute(f"update {relation} set clicks = clicks + 1 where month = '2026-03-01'".encode())
    (done,) = refresh_trailing(filled, [CAMPAIGNS])
    assert done.stale == (LAST - timedelta(days=364), LAST - timedelta(days=89)), "Others hold no whole March."


def test_a_sweep_repairs_what_somebody_changed_and_is_content_the_next_time(
    filled: Warehouse, connection: Connection
) -> None:
    connection.execute("update metrics.trailing_campaign_metrics set spend = spend + 1 where days = 7")
    connection.execute("delete from metrics.trailing_campaign_metrics where days = 30 and campaign_id = '1'")
    (swept,) = sweep_trailing(filled, [CAMPAIGNS])
    assert swept.repaired == (LAST - timedelta(days=29), LAST - timedelta(days=6))
    assert swept.stale == ()
    assert_equal_to_fact(connection)
    (again,) = sweep_trailing(filled, [CAMPAIGNS])
    assert (again.repaired, again.stale) == ((), ())
    assert again.window == DayWindow(LAST - timedelta(days=364), LAST + timedelta(days=1))


def test_a_sweep_makes_one_that_is_not_there(filled: Warehouse, connection: Connection) -> None:
    connection.execute("drop table metrics.trailing_campaign_metrics cascade")
    connection.execute("drop function metrics.campaign_between, metrics.campaign_ratios_between")
    (swept,) = sweep_trailing(filled, [CAMPAIGNS])
    assert (swept.repaired, swept.stale) == ((), ())
    assert_equal_to_fact(connection)


def test_another_definition_makes_it_anew(filled: Warehouse, connection: Connection) -> None:
    daily = replace(CAMPAIGNS.family.daily, trailing=(7,))
    done = refresh(filled, trailing=Trailing(replace(CAMPAIGNS.family, daily=daily)))
    assert (done.recreated, {row["days"] for row in held(connection)}) == (True, {7})
    assert refresh(filled).recreated


def test_the_view_with_ratios_comes_back(filled: Warehouse, connection: Connection) -> None:
    connection.execute("drop view metrics.trailing_campaign_ratios")
    refresh(filled)
    assert one(connection, "select count(*) as n from metrics.trailing_campaign_ratios") == {"n": 12}


def test_of_no_figures_there_is_an_empty_table(warehouse: Warehouse, connection: Connection) -> None:
    done = refresh(warehouse)
    assert (done.windows, done.rows, held(connection)) == ((), 0, [])
