"""How aggregates are computed and stored, so that they stay fast."""

from datetime import date

import pytest
from facts import AGGREGATES, insert_days

from dataflow_assets.aggregates.backends import GROUPING_MEMORY, give_room
from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.resources.warehouse import Connection, Warehouse, one

FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)
BY_CAMPAIGN = AGGREGATES["daily_campaign_metrics"]


def test_rows_of_a_day_lie_side_by_side_once_an_aggregate_is_filled(
    warehouse: Warehouse, connection: Connection
) -> None:
    insert_days(connection, FIRST, LAST, 50)
    connection.execute("analyze marts.fct_campaign_performance")
    refresh_days(warehouse, [BY_CAMPAIGN], [])
    days = [row["day"] for row in connection.execute(f"select day from {BY_CAMPAIGN.relation}".encode())]
    assert len(days) == 90 * 50
    assert days == sorted(days)


@pytest.mark.parametrize(("given", "expected"), [("4MB", GROUPING_MEMORY), ("1GB", "1GB")])
def test_a_refresh_groups_in_memory_and_takes_none_away(connection: Connection, given: str, expected: str) -> None:
    connection.execute(f"set work_mem = '{given}'".encode())
    give_room(connection)
    assert one(connection, "show work_mem") == {"work_mem": expected}


def test_our_bucket_function_is_not_called_for_each_row(connection: Connection) -> None:
    plan = connection.execute(
        "explain verbose select dataflow.time_bucket('1 month', date_day) from marts.fct_campaign_performance"
    ).fetchall()
    assert "date_trunc('month'" in str(plan)
    assert "time_bucket" not in str(plan)
