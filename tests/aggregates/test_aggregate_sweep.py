"""The sweep: whatever made an aggregate differ from its facts is found and mended, but not what only it remembers."""

from datetime import date, timedelta

import facts
import pytest
from facts import AGGREGATES, CAMPAIGN, CHANNEL, CONVERSION, PIPELINE, differing

from dataflow_assets.aggregates.backends import backend_for
from dataflow_assets.aggregates.making import HistoryAtRisk, drop
from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.sweep import Swept, sweep
from dataflow_assets.resources.warehouse import Connection, Warehouse

FIRST = date(2025, 11, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(200)]  # more than two slices
THING = {"platform": "meta_ads", "account_id": "1", "campaign_id": "1", "currency": "EUR"}
ADS = tuple(a for a in all_aggregates() if a.name.split("_")[1] in {"campaign", "channel"})


def fill(connection: Connection) -> None:
    facts.insert_days(connection, DAYS[0], DAYS[-1], 1)


def by_name(results: list[Swept]) -> dict[str, Swept]:
    return {swept.aggregate.name: swept for swept in results}


def test_everything_is_compared_and_an_equal_aggregate_is_left_as_it_is(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    results = by_name(list(sweep(warehouse, all_aggregates())))
    assert results.keys() == AGGREGATES.keys()
    assert {(swept.repaired, swept.stale) for swept in results.values()} == {((), ())}
    assert str(results["daily_channel_metrics"].window) == f"{DAYS[0]}...{DAYS[-1]}"
    assert str(results["weekly_channel_metrics"].window) == "2025-10-27...2026-05-24"
    assert str(results["monthly_channel_metrics"].window) == "2025-11-01...2026-05-31"
    assert results["daily_pipeline_metrics"].window is None


def test_whatever_made_them_differ_they_are_repaired_and_told(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    changed, vanished, new = DAYS[3], DAYS[-1], DAYS[-1] + timedelta(days=5)
    connection.execute("update marts.fct_campaign_performance set clicks = 7 where date_day = %s", (changed,))
    connection.execute("delete from marts.fct_campaign_performance where date_day = %s", (vanished,))
    facts.put(connection, CAMPAIGN, new, THING, {"clicks": 3})
    deal = {"account_id": "h", "pipeline_id": "p", "channel": "direct", "currency": "EUR"}
    facts.put(connection, PIPELINE, new, deal, {"deals_won": 1})
    assert differing(connection)
    results = by_name(list(sweep(warehouse, all_aggregates())))
    assert results["daily_campaign_metrics"].repaired == (changed, vanished, new)
    assert results["daily_pipeline_metrics"].repaired == (new,)
    assert {swept.stale for swept in results.values()} == {()}
    assert differing(connection) == []


def test_a_sweep_goes_no_further_back_than_it_is_told_in_whole_buckets(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    connection.execute("update marts.fct_campaign_performance set clicks = 7")
    since = date(2026, 3, 4)  # a Wednesday
    results = by_name(list(sweep(warehouse, ADS, since)))
    assert results["daily_campaign_metrics"].repaired[0] == since
    assert results["weekly_campaign_metrics"].repaired[0] == date(2026, 3, 9)
    assert results["monthly_campaign_metrics"].repaired[0] == date(2026, 4, 1)
    clicks = connection.execute(
        "select max(day) as newest from metrics.daily_campaign_metrics where clicks = 1"
    ).fetchone()
    assert clicks == {"newest": since - timedelta(days=1)}


def test_an_aggregate_that_was_never_filled_is_filled_whole_by_a_sweep_of_some_days(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    list(sweep(warehouse, ADS, DAYS[-5]))
    assert differing(connection, (CAMPAIGN, CHANNEL)) == []


# --------------------------------------------------------------------------- facts that are not kept for ever


def dropped_before(connection: Connection, horizon: date) -> dict[str, date]:
    """Facts as retention leaves them."""
    connection.execute("delete from marts.fct_campaign_performance where date_day < %s", (horizon,))
    return {"marts.fct_campaign_performance": horizon}


def remembered(connection: Connection) -> dict[str, int]:
    rows = {a.name: f"select count(*) as n from {a.relation}" for a in ADS}
    found = {name: connection.execute(query.encode()).fetchone() for name, query in rows.items()}
    return {name: row["n"] for name, row in found.items() if row}


def test_neither_a_sweep_nor_a_refresh_forgets_what_the_facts_have_dropped(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    before = remembered(connection)
    horizons = dropped_before(connection, DAYS[100])
    connection.execute("update marts.fct_campaign_performance set clicks = 7 where date_day = %s", (DAYS[100],))
    results = refresh_days(warehouse, ADS, DAYS[95:101], horizons)
    assert results[0].left_alone == tuple(DAYS[95:100])
    assert results[0].windows[0].start == DAYS[100]
    swept = by_name(list(sweep(warehouse, ADS, None, horizons)))
    assert swept["daily_campaign_metrics"].window.start == DAYS[100]  # type: ignore[union-attr]
    assert {(s.repaired, s.stale) for s in swept.values()} == {((), ())}
    assert remembered(connection) == before
    # The week and the month of the horizon are sums of days that only the aggregate still has.
    (month,) = connection.execute(
        "select clicks from metrics.monthly_campaign_metrics where month = %s", (DAYS[100].replace(day=1),)
    ).fetchall()
    assert month["clicks"] == 28 + 6


def test_an_aggregate_that_remembers_more_than_its_facts_is_not_made_anew(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    before = remembered(connection)
    horizons = dropped_before(connection, DAYS[100])
    connection.execute("update dataflow.aggregates set definition_hash = 'older' where name like 'daily_campaign%'")
    with pytest.raises(HistoryAtRisk, match=r"holds days from 2025-11-01 on, and .* only from 2026-02-09 on"):
        refresh_days(warehouse, ADS, [], horizons)
    assert remembered(connection) == before


def test_a_child_is_made_anew_from_what_its_parent_remembers(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    before = remembered(connection)
    horizons = dropped_before(connection, DAYS[100])
    drop(connection, "metrics.weekly_campaign_metrics")
    refresh_days(warehouse, ADS, [], horizons)
    assert remembered(connection) == before


def test_a_sweep_that_cannot_repair_names_the_buckets(
    warehouse: Warehouse, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    thing = {**THING, "action": "x", "attribution_window": "", "counts_as": "lead", "is_counted": True}
    facts.put(connection, CONVERSION, DAYS[0], thing, {"conversions": 1})
    refresh_days(warehouse, all_aggregates(), [])
    connection.execute("update marts.fct_conversions_daily set conversions = 2")
    monkeypatch.setattr(type(backend_for(connection)), "refresh", lambda *_, **__: None)
    results = by_name(list(sweep(warehouse, all_aggregates())))
    assert results["daily_conversion_metrics"].stale == (DAYS[0],)
    (known,) = connection.execute(
        "select verified_at < refreshed_at as is_wrong from dataflow.aggregates where name = 'daily_conversion_metrics'"
    ).fetchall()
    assert known["is_wrong"]
