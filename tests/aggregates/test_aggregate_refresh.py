"""Aggregates over real facts, on plain PostgreSQL and, where DATAFLOW_TEST_TIMESCALE_URL is set, on TimescaleDB too."""

import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import facts
import pytest
from facts import AGGREGATES, BUCKETS, CAMPAIGN, CHANNEL, FAMILIES, differing
from installation import TIMESCALE, database

from dataflow_assets.aggregates import backends, refresh
from dataflow_assets.aggregates.backends import FAULTY_VERSIONS, FaultyServer, Plain, backend_for
from dataflow_assets.aggregates.compare import stale_buckets
from dataflow_assets.aggregates.making import drop
from dataflow_assets.aggregates.refresh import Refreshed, refresh_days
from dataflow_assets.aggregates.registry import Aggregate, all_aggregates
from dataflow_assets.resources.warehouse import Connection, Warehouse, extension_state, one
from dataflow_assets.windows import DayWindow

BY_CAMPAIGN, BY_CHANNEL = AGGREGATES["daily_campaign_metrics"], AGGREGATES["daily_channel_metrics"]
BY_WEEK, BY_MONTH = AGGREGATES["weekly_campaign_metrics"], AGGREGATES["monthly_campaign_metrics"]
# One family that is fed by a fact, and one that is fed by it.
ADS = tuple(a for a in all_aggregates() if a.name.split("_")[1] in {"campaign", "channel"})
FAMILY = {family.name: family for family in FAMILIES}
FIRST = date(2026, 3, 28)  # March to April: a bucket is a day, and no month may show
DAYS = [FIRST + timedelta(days=n) for n in range(8)]
WINDOW = DayWindow(DAYS[0], DAYS[-1] + timedelta(days=1))
WEEKS = DayWindow(date(2026, 3, 23), date(2026, 4, 6))
MONTHS = DayWindow(date(2026, 3, 1), date(2026, 5, 1))
WHOLE = {"day": WINDOW, "week": WEEKS, "month": MONTHS}
CAMPAIGNS = [("a1", "c1", "EUR"), ("a1", "c2", "EUR"), ("a2", "c3", "JPY"), ("a2", "c4", "USD")]

Key = tuple[Any, ...]
Sums = tuple[Any, ...]


@pytest.mark.timescale
def test_the_tests_below_have_run_on_timescaledb() -> None:
    if not os.environ.get(TIMESCALE):
        pytest.skip(
            f"{TIMESCALE} IS NOT SET: NOTHING HAS BEEN TESTED ON TIMESCALEDB, only on plain PostgreSQL. "
            "Give it the address of a server with TimescaleDB on which databases may be created."
        )
    with database(os.environ[TIMESCALE]) as url:
        Warehouse(url).migrate()
        with Warehouse(url).connect() as connection:
            assert extension_state(connection) == "timescale"


def put(connection: Connection, day: date, campaign: tuple[str, str, str], **figures: Any) -> None:
    """One row of the fact, with its figures or with nothing."""
    account, campaign_id, currency = campaign
    thing = {"platform": "meta_ads", "account_id": account, "campaign_id": campaign_id, "currency": currency}
    facts.put(connection, CAMPAIGN, day, thing, figures)


def fill(connection: Connection, days: Sequence[date] = DAYS) -> None:
    for n, day in enumerate(days):
        for m, campaign in enumerate(CAMPAIGNS):
            put(
                connection, day, campaign, impressions=100 + n, clicks=m, spend=Decimal("1.25") * (n + 1), conversions=m
            )


def forget(connection: Connection, day: date, campaign_id: str = "%") -> None:
    connection.execute(
        "delete from marts.fct_campaign_performance where date_day = %s and campaign_id like %s", (day, campaign_id)
    )


def stored(connection: Connection, aggregate: Aggregate) -> dict[Key, Sums]:
    rows = connection.execute(f"select * from {aggregate.relation}".encode()).fetchall()
    names = ("impressions", "clicks", "spend", "conversions", "conversion_value", "source_rows")
    found = {tuple(row[n] for n in aggregate.key): tuple(row[n] for n in names) for row in rows}
    assert len(found) == len(rows), f"{aggregate.name} holds a group twice"
    return found


def assert_equal_to_source(connection: Connection) -> None:
    assert differing(connection, (CAMPAIGN, CHANNEL)) == []


def by_name(results: list[Refreshed]) -> dict[str, Refreshed]:
    return {result.aggregate.name: result for result in results}


def test_the_engine_is_the_best_of_the_server(connection: Connection, engine: str) -> None:
    assert backend_for(connection).name == engine


def test_a_new_aggregate_is_filled_whole_whatever_days_are_asked_for(
    warehouse: Warehouse, connection: Connection, engine: str
) -> None:
    fill(connection)
    results = refresh_days(warehouse, ADS, [DAYS[3]])
    for result in results:
        assert result.recreated
        assert (result.backend, result.windows) == (engine, (WHOLE[result.aggregate.bucket],))
        assert (result.stale, result.repaired) == ((), ())
    assert by_name(results)["daily_campaign_metrics"].rows == len(DAYS) * len(CAMPAIGNS)
    assert_equal_to_source(connection)


def test_aggregates_of_an_empty_source_are_empty(warehouse: Warehouse, connection: Connection) -> None:
    for _ in range(2):
        assert {(result.rows, result.stale) for result in refresh_days(warehouse, ADS, DAYS)} == {(0, ())}
    fill(connection)
    refresh_days(warehouse, ADS, DAYS)
    assert_equal_to_source(connection)


def test_law_11_touched_days_equal_their_source_after_a_refresh(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    touched = [DAYS[1], DAYS[2], DAYS[6]]
    for day in touched:
        forget(connection, day, "c2")
        put(
            connection,
            day,
            CAMPAIGNS[1],
            impressions=7,
            spend=Decimal("0.000001"),
            conversion_value=Decimal("12345.678901"),
        )
    results = refresh_days(warehouse, ADS, touched)
    windows = {
        "day": ["2026-03-29...2026-03-30", "2026-04-03"],
        "week": ["2026-03-23...2026-04-05"],
        "month": ["2026-03-01...2026-04-30"],
    }
    for result in results:
        assert not result.recreated
        assert [str(window) for window in result.windows] == windows[result.aggregate.bucket]
        assert (result.stale, result.repaired) == ((), ())
    assert_equal_to_source(connection)


def test_law_11_a_group_that_vanished_vanishes(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    forget(connection, DAYS[4], "c3")
    forget(connection, DAYS[5])
    refresh_days(warehouse, ADS, [DAYS[4], DAYS[5]])
    assert_equal_to_source(connection)
    assert (DAYS[4], "meta_ads", "a2", "JPY") not in stored(connection, BY_CHANNEL)
    assert not [key for key in stored(connection, BY_CAMPAIGN) if key[0] == DAYS[5]]


def test_days_that_are_not_touched_are_left_alone(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    before = stored(connection, BY_CAMPAIGN)
    for day in (DAYS[2], DAYS[3]):
        forget(connection, day, "c1")
    results = refresh_days(warehouse, ADS, [DAYS[2]])
    after = stored(connection, BY_CAMPAIGN)
    assert {key[0] for key in before.keys() ^ after.keys()} == {DAYS[2]}
    assert {result.stale for result in results} == {()}, "only what was refreshed is compared"


def test_a_stale_bucket_is_named(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    assert stale_buckets(connection, BY_CAMPAIGN, WINDOW) == []
    forget(connection, DAYS[2], "c1")  # a group too many in the aggregate
    forget(connection, DAYS[4], "c1")
    put(connection, DAYS[4], CAMPAIGNS[0], impressions=100 + 4, spend=Decimal(99))  # another figure
    put(connection, DAYS[7], ("a3", "c9", "EUR"))  # a group too few, all zeros
    put(connection, WINDOW.end, CAMPAIGNS[0])  # beyond the window
    assert stale_buckets(connection, BY_CAMPAIGN, WINDOW) == [DAYS[2], DAYS[4], DAYS[7]]
    assert stale_buckets(connection, BY_CAMPAIGN, DayWindow(DAYS[3], DAYS[4])) == []
    # The child is compared with its parent, from which it is made.
    assert stale_buckets(connection, BY_CHANNEL, WINDOW) == []


def test_a_refresh_that_leaves_a_bucket_out_is_found(
    warehouse: Warehouse, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What faulty versions of TimescaleDB did: no error, no new figures.
    fill(connection)
    refresh_days(warehouse, ADS, [])
    forget(connection, DAYS[1], "c1")

    class LosesBuckets(type(backend_for(connection))):  # type: ignore[misc]  the engine of this server, but lazy
        def refresh(self, *_: object, **__: object) -> None:
            """Nothing."""

    monkeypatch.setattr(refresh, "backend_for", lambda _connection: LosesBuckets())
    results = by_name(refresh_days(warehouse, ADS, [DAYS[1]]))
    assert results["daily_campaign_metrics"].stale == (DAYS[1],)
    stale = connection.execute("select name from dataflow.aggregates where verified_at < refreshed_at").fetchall()
    assert [row["name"] for row in stale] == ["daily_campaign_metrics"]


def test_a_bucket_that_is_right_only_by_force_is_repaired_and_told(
    warehouse: Warehouse, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    forget(connection, DAYS[1], "c1")
    forget(connection, DAYS[2], "c1")

    class MissesWhatChanged(type(backend_for(connection))):  # type: ignore[misc]  the engine of this server, but lazy
        def refresh(self, *where: Any, force: bool = False) -> None:
            if force:
                super().refresh(*where, force=True)

    monkeypatch.setattr(refresh, "backend_for", lambda _connection: MissesWhatChanged())
    results = by_name(refresh_days(warehouse, ADS, DAYS[1:4]))
    assert (results["daily_campaign_metrics"].repaired, results["daily_campaign_metrics"].stale) == (
        (DAYS[1], DAYS[2]),
        (),
    )
    assert results["weekly_campaign_metrics"].repaired == (WEEKS.start, date(2026, 3, 30))
    assert results["monthly_channel_metrics"].repaired == (MONTHS.start,)
    assert_equal_to_source(connection)


@pytest.mark.timescale
def test_a_change_that_timescaledb_does_not_notice_is_repaired(
    warehouse: Warehouse, connection: Connection, engine: str
) -> None:
    # timescale/timescaledb issue 10463: MERGE leaves no trace, and a refresh believes there is nothing to do.
    fill(connection)
    refresh_days(warehouse, ADS, [])
    connection.execute(
        """
        merge into marts.fct_campaign_performance as fact
        using (select %s::date as day) as wanted on fact.date_day = wanted.day
        when matched then update set impressions = 777
        """,
        (DAYS[3],),
    )
    results = by_name(refresh_days(warehouse, ADS, [DAYS[3]]))
    assert results["daily_campaign_metrics"].stale == ()
    assert results["daily_campaign_metrics"].repaired == ((DAYS[3],) if engine == "timescale" else ())
    assert_equal_to_source(connection)


def killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_process_killed_before_an_aggregate_is_filled_leaves_the_filling_to_the_next(
    warehouse: Warehouse, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection)
    with monkeypatch.context() as broken:
        broken.setattr(type(backend_for(connection)), "refresh", killed)
        with pytest.raises(KeyboardInterrupt):
            refresh_days(warehouse, ADS, [DAYS[0]])
    assert stored(connection, BY_CAMPAIGN) == {}
    results = refresh_days(warehouse, ADS, [DAYS[0]])
    assert {result.recreated for result in results} == {True}
    assert_equal_to_source(connection)


def test_a_process_killed_between_a_parent_made_anew_and_its_child_leaves_the_child_to_the_next(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    forget(connection, DAYS[5], "c1")  # a change that nobody has told of
    refresh_days(warehouse, [changed(BY_CAMPAIGN)], [DAYS[0]])
    results = by_name(refresh_days(warehouse, [changed(BY_CAMPAIGN), *ADS[1:]], [DAYS[0]]))
    assert not results["daily_campaign_metrics"].recreated
    assert results["daily_channel_metrics"].recreated
    assert results["weekly_channel_metrics"].recreated
    assert_equal_to_source(connection)


def changed(aggregate: Aggregate) -> Aggregate:
    return replace(
        aggregate, select=aggregate.select.replace("count(*) as", "max(clicks) as most_clicks,\n    count(*) as")
    )


def columns(connection: Connection, aggregate: Aggregate) -> list[str]:
    cursor = connection.execute(f"select * from {aggregate.relation} limit 0".encode())
    return [column.name for column in cursor.description or []]


def test_a_changed_definition_makes_the_aggregate_and_its_child_anew(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    assert "most_clicks" not in columns(connection, BY_CAMPAIGN)
    results = by_name(refresh_days(warehouse, [changed(BY_CAMPAIGN), *ADS[1:]], [DAYS[0]]))
    for result in results.values():
        assert result.recreated
        assert (result.windows, result.stale) == ((WHOLE[result.aggregate.bucket],), ())
    assert "most_clicks" in columns(connection, BY_CAMPAIGN)
    assert_equal_to_source(connection)
    again = refresh_days(warehouse, [changed(BY_CAMPAIGN), *ADS[1:]], [DAYS[0]])
    assert {result.recreated for result in again} == {False}


def test_an_aggregate_that_somebody_dropped_is_made_anew_with_its_child(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    drop(connection, BY_CAMPAIGN.relation)
    results = refresh_days(warehouse, ADS, [DAYS[0]])
    assert {(result.recreated, result.stale) for result in results} == {(True, ())}
    assert_equal_to_source(connection)


def test_a_child_refreshed_alone_leaves_the_parent_as_it_is(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    forget(connection, DAYS[1], "c1")
    (child,) = refresh_days(warehouse, [BY_CHANNEL], [DAYS[1]])
    assert child.stale == ()
    assert stale_buckets(connection, BY_CAMPAIGN, WINDOW) == [DAYS[1]]


def test_a_warehouse_that_gains_timescaledb_gets_its_aggregates_anew(
    warehouse: Warehouse, connection: Connection, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection)
    with monkeypatch.context() as without:
        without.setattr(refresh, "backend_for", lambda _connection: Plain())
        assert {result.backend for result in refresh_days(warehouse, ADS, [])} == {"plain"}
    results = refresh_days(warehouse, ADS, [DAYS[0]])
    assert {result.recreated for result in results} == {engine == "timescale"}
    assert_equal_to_source(connection)


def test_law_11_names_columns_and_types_are_the_same_on_every_engine(
    warehouse: Warehouse, connection: Connection
) -> None:
    refresh_days(warehouse, all_aggregates(), [])
    found = connection.execute(
        r"""
        select c.relname || '.' || a.attname as name, format_type(a.atttypid, null) as type
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = 'metrics'::regnamespace and c.relkind in ('r', 'v') and c.relname like '%\_metrics'
            and a.attnum > 0
        order by c.relname, a.attnum
        """
    ).fetchall()
    kinds = {"is_counted": "boolean", "source_rows": "bigint", **dict.fromkeys(BUCKETS.values(), "date")}
    expected = []
    for name in sorted(AGGREGATES):
        prefix, family = name.split("_")[0], FAMILY[name.split("_")[1]]
        kinds |= dict.fromkeys(family.counts, "bigint") | dict.fromkeys(family.amounts, "numeric")
        columns = [BUCKETS[prefix], *family.key, *family.figures, "source_rows"]
        expected += [(f"{name}.{column}", kinds.get(column, "text")) for column in columns]
    assert sorted((row["name"], row["type"]) for row in found) == sorted(expected)


@pytest.mark.parametrize("version", sorted(FAULTY_VERSIONS))
def test_a_timescaledb_that_loses_buckets_is_refused_and_nothing_is_touched(
    warehouse: Warehouse, connection: Connection, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    before = stored(connection, BY_CAMPAIGN)
    forget(connection, DAYS[0])

    def told(asked: Connection, query: Any, values: Any = None) -> dict[str, Any]:
        return {"extversion": version} if "extversion" in query else one(asked, query, values)

    monkeypatch.setattr(backends, "extension_state", lambda _connection: "timescale")
    monkeypatch.setattr(backends, "one", told)
    with pytest.raises(FaultyServer, match=rf"TimescaleDB {version} .* Nothing was refreshed\. Update"):
        refresh_days(warehouse, ADS, [DAYS[0]])
    assert stored(connection, BY_CAMPAIGN) == before


def test_two_refreshes_at_once_both_come_through(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    for day in DAYS:
        forget(connection, day, "c1")
    results: list[Refreshed] = []
    failures: list[BaseException] = []

    def work(days: Sequence[date]) -> None:
        try:
            results.extend(refresh_days(warehouse, ADS, days))
        except BaseException as error:  # noqa: BLE001  told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(days,)) for days in (DAYS[:6], DAYS[2:], DAYS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(results) == 3 * len(ADS)
    assert_equal_to_source(connection)


# --------------------------------------------------------------------------- ratios


def ratios(connection: Connection, aggregate: Aggregate) -> list[dict[str, Any]]:
    return connection.execute(f"select * from {aggregate.ratios_relation}".encode()).fetchall()


def test_every_aggregate_has_a_view_with_its_ratios(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    for aggregate in all_aggregates():
        cursor = connection.execute(f"select * from {aggregate.ratios_relation} limit 0".encode())
        names = [column.name for column in cursor.description or []]
        assert names == columns(connection, aggregate) + [ratio.name for ratio in aggregate.ratios]
    (row,) = (r for r in ratios(connection, BY_MONTH) if (r["month"], r["campaign_id"]) == (MONTHS.start, "c4"))
    # Four days of March: 100 to 103 impressions, 3 clicks and 3 conversions a day, spend 1.25 times 1 to 4.
    assert (row["ctr"], row["cpc"]) == (Decimal("2.955665"), Decimal("1.041667"))
    assert (row["cpa"], row["conversion_rate"], row["roas"], row["roi"]) == (Decimal("1.041667"), 100, 0, -100)


def test_law_10_a_ratio_without_a_divisor_is_0_and_of_an_unknown_amount_unknown(
    warehouse: Warehouse, connection: Connection
) -> None:
    put(connection, DAYS[0], CAMPAIGNS[0], spend=5)
    thing = {"account_id": "s", "channel": "direct", "currency": "EUR"}
    facts.put(connection, FAMILY["revenue"], DAYS[0], thing, {"gross": None, "refunds": None})
    refresh_days(warehouse, all_aggregates(), [])
    (ads,) = ratios(connection, BY_CAMPAIGN)
    assert {ads[name] for name in ("ctr", "cpc", "cpm", "cpa", "conversion_rate", "roas")} == {0}
    (revenue,) = ratios(connection, AGGREGATES["weekly_revenue_metrics"])
    assert (revenue["gross"], revenue["refund_rate"]) == (None, None)


def test_the_view_with_ratios_comes_back_with_its_aggregate(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    before = ratios(connection, BY_WEEK)
    refresh_days(warehouse, [changed(BY_CAMPAIGN), *ADS[1:]], [])
    assert ratios(connection, BY_WEEK) == before != []
    connection.execute("drop view metrics.weekly_campaign_ratios")
    results = refresh_days(warehouse, [changed(BY_CAMPAIGN), *ADS[1:]], [])
    assert {result.recreated for result in results} == {False}
    assert ratios(connection, BY_WEEK) == before


def test_a_changed_ratio_costs_no_refresh(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    doubled = replace(BY_CAMPAIGN, ratios=(replace(BY_CAMPAIGN.ratios[0], dividend="clicks * 200"),))
    (before, *_) = ratios(connection, BY_CAMPAIGN)
    (result,) = refresh_days(warehouse, [doubled], [])
    assert not result.recreated
    (after, *_) = ratios(connection, BY_CAMPAIGN)
    assert (after["ctr"], "roi" in after) == (2 * before["ctr"], False)
