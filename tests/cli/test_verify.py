"""`dataflow verify`: what differs is repaired and told."""

import json

from dataflow_command import Dataflow
from installation import Installation

from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.trailing import trailings
from dataflow_assets.raw.session import ensure_schema

FACT = """
    insert into marts.fct_revenue_daily values
    (%s::date, 's', 'EUR', 'direct', 10, 0, 0, 0, 0, 10, 'EUR', 10, 0, 0, 0, 0, 10, 1, 0, 1)
"""


def test_what_differs_is_repaired_and_told_and_then_all_is_equal(dataflow: Dataflow, installed: Installation) -> None:
    with installed.here() as platform:
        ensure_schema(platform)
        refresh_days(platform.warehouse, all_aggregates(), [])
    for day in ("2026-05-04", "2026-05-19"):
        installed.rows(FACT, day)
    answer = dataflow("verify", "--from", "2026-05-10", "--json")
    assert answer.code == 0, answer.err
    told = {line["aggregate"]: line for line in map(json.loads, answer.out.splitlines())}
    kept = (*all_aggregates(), *trailings(all_aggregates()))
    assert told.keys() == {aggregate.relation for aggregate in kept}
    assert told["metrics.daily_revenue_metrics"] == {
        "aggregate": "metrics.daily_revenue_metrics",
        "compared": "2026-05-10...2026-05-19",
        "repaired": ["2026-05-19"],
        "stale": [],
    }
    assert told["metrics.weekly_revenue_metrics"]["repaired"] == ["2026-05-18"]
    again = dataflow("verify", "--from", "2026-05-01")
    assert again.code == 0
    assert "metrics.daily_revenue_metrics: equals marts.fct_revenue_daily over 2026-05-04...2026-05-19" in again.out
    assert "repaired what begins on 2026-05-04" in again.out


def test_a_day_that_is_none_is_refused(dataflow: Dataflow) -> None:
    assert dataflow("verify", "--from", "yesterday").code == 2
