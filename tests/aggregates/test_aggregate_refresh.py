"""Aggregates over real facts, on plain PostgreSQL and, where DATAFLOW_TEST_TIMESCALE_URL is set, on TimescaleDB too."""

import os
import random
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from installation import ENGINES, TIMESCALE, database

from dataflow_assets.aggregates import backends, refresh
from dataflow_assets.aggregates.backends import FAULTY_VERSIONS, FaultyServer, Plain, backend_for, stale_buckets
from dataflow_assets.aggregates.refresh import Refreshed, refresh_days
from dataflow_assets.aggregates.registry import Aggregate, all_aggregates
from dataflow_assets.embedded import Endpoints
from dataflow_assets.resources.warehouse import Connection, Warehouse, extension_state, one
from dataflow_assets.windows import DayWindow

BY_CAMPAIGN, BY_CHANNEL = all_aggregates()
FIRST = date(2026, 3, 28)  # March to April: a bucket is a day, and no month may show
DAYS = [FIRST + timedelta(days=n) for n in range(8)]
WINDOW = DayWindow(DAYS[0], DAYS[-1] + timedelta(days=1))
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


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def warehouse(engine: str, servers: Endpoints) -> Iterator[Warehouse]:
    """The schema of the project on a database of the test's own; facts and metrics empty."""
    with database(os.environ[TIMESCALE] if engine == "timescale" else servers.database_url) as url:
        found = Warehouse(url)
        found.migrate()
        yield found


@pytest.fixture
def connection(warehouse: Warehouse) -> Iterator[Connection]:
    with warehouse.connect(autocommit=True) as connected:
        yield connected


def put(connection: Connection, day: date, campaign: tuple[str, str, str], **figures: Any) -> None:
    """One row of the fact, with its figures or with nothing."""
    account, campaign_id, currency = campaign
    names = ("impressions", "clicks", "clicks_all", "spend", "conversions", "conversion_value")
    connection.execute(
        f"""
        insert into marts.fct_campaign_performance (platform, account_id, campaign_id, date_day, currency,
            {", ".join(names)}, ctr, cpc, cpm, cpa, conversion_rate, roas, roi)
        values ('meta_ads', %s, %s, %s, %s, {", ".join(["%s"] * len(names))}, 0, 0, 0, 0, 0, 0, 0)
        """.encode(),
        (account, campaign_id, day, currency, *(figures.get(name, 0) for name in names)),
    )


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


def of_source(connection: Connection, key: Sequence[str]) -> dict[Key, Sums]:
    """What an aggregate must hold, added up here."""
    sums: dict[Key, list[Any]] = defaultdict(lambda: [0, 0, Decimal(0), Decimal(0), Decimal(0), 0])
    for row in connection.execute("select *, date_day as day from marts.fct_campaign_performance"):
        group = sums[tuple(row[name] for name in key)]
        for n, name in enumerate(("impressions", "clicks", "spend", "conversions", "conversion_value")):
            group[n] += row[name]
        group[5] += 1
    return {group: tuple(values) for group, values in sums.items()}


def stored(connection: Connection, aggregate: Aggregate) -> dict[Key, Sums]:
    rows = connection.execute(f"select * from {aggregate.relation}".encode()).fetchall()
    names = ("impressions", "clicks", "spend", "conversions", "conversion_value", "source_rows")
    found = {tuple(row[n] for n in aggregate.key): tuple(row[n] for n in names) for row in rows}
    assert len(found) == len(rows), f"{aggregate.name} holds a group twice"
    return found


def assert_equal_to_source(connection: Connection) -> None:
    for aggregate in (BY_CAMPAIGN, BY_CHANNEL):
        assert stored(connection, aggregate) == of_source(connection, aggregate.key), aggregate.name


def by_name(results: list[Refreshed]) -> dict[str, Refreshed]:
    return {result.aggregate.name: result for result in results}


def test_the_engine_is_the_best_of_the_server(connection: Connection, engine: str) -> None:
    assert backend_for(connection).name == engine


def test_a_new_aggregate_is_filled_whole_whatever_days_are_asked_for(
    warehouse: Warehouse, connection: Connection, engine: str
) -> None:
    fill(connection)
    results = refresh_days(warehouse, all_aggregates(), [DAYS[3]])
    for result in results:
        assert result.recreated
        assert (result.backend, result.windows, result.stale) == (engine, (WINDOW,), ())
    assert by_name(results)["daily_campaign_metrics"].rows == len(DAYS) * len(CAMPAIGNS)
    assert_equal_to_source(connection)


def test_aggregates_of_an_empty_source_are_empty(warehouse: Warehouse, connection: Connection) -> None:
    for _ in range(2):
        assert [(result.rows, result.stale) for result in refresh_days(warehouse, all_aggregates(), DAYS)] == [
            (0, ())
        ] * 2
    fill(connection)
    refresh_days(warehouse, all_aggregates(), DAYS)
    assert_equal_to_source(connection)


def test_law_11_touched_days_equal_their_source_after_a_refresh(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
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
    results = refresh_days(warehouse, all_aggregates(), touched)
    for result in results:
        assert not result.recreated
        assert [str(window) for window in result.windows] == ["2026-03-29...2026-03-30", "2026-04-03"]
        assert result.stale == ()
    assert_equal_to_source(connection)


def test_law_11_a_group_that_vanished_vanishes(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    forget(connection, DAYS[4], "c3")
    forget(connection, DAYS[5])
    refresh_days(warehouse, all_aggregates(), [DAYS[4], DAYS[5]])
    assert_equal_to_source(connection)
    assert (DAYS[4], "meta_ads", "a2", "JPY") not in stored(connection, BY_CHANNEL)
    assert not [key for key in stored(connection, BY_CAMPAIGN) if key[0] == DAYS[5]]


def test_days_that_are_not_touched_are_left_alone(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    before = stored(connection, BY_CAMPAIGN)
    for day in (DAYS[2], DAYS[3]):
        forget(connection, day, "c1")
    results = refresh_days(warehouse, all_aggregates(), [DAYS[2]])
    after = stored(connection, BY_CAMPAIGN)
    assert {key[0] for key in before.keys() ^ after.keys()} == {DAYS[2]}
    assert [result.stale for result in results] == [(), ()], "only what was refreshed is compared"


def test_a_stale_bucket_is_named(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
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
    refresh_days(warehouse, all_aggregates(), [])
    forget(connection, DAYS[1], "c1")

    class LosesBuckets(type(backend_for(connection))):  # type: ignore[misc]  the engine of this server, but lazy
        def refresh(self, *_: object) -> None:
            """Nothing."""

    monkeypatch.setattr(refresh, "backend_for", lambda _connection: LosesBuckets())
    results = by_name(refresh_days(warehouse, all_aggregates(), [DAYS[1]]))
    assert results["daily_campaign_metrics"].stale == (DAYS[1],)
    verified = connection.execute("select name from dataflow.aggregates where verified_at = refreshed_at").fetchall()
    assert [row["name"] for row in verified] == ["daily_channel_metrics"]


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
    refresh_days(warehouse, all_aggregates(), [])
    assert "most_clicks" not in columns(connection, BY_CAMPAIGN)
    results = by_name(refresh_days(warehouse, [changed(BY_CAMPAIGN), BY_CHANNEL], [DAYS[0]]))
    for result in results.values():
        assert result.recreated
        assert (result.windows, result.stale) == ((WINDOW,), ())
    assert "most_clicks" in columns(connection, BY_CAMPAIGN)
    assert_equal_to_source(connection)
    again = refresh_days(warehouse, [changed(BY_CAMPAIGN), BY_CHANNEL], [DAYS[0]])
    assert [result.recreated for result in again] == [False, False]


def test_an_aggregate_that_somebody_dropped_is_made_anew_with_its_child(
    warehouse: Warehouse, connection: Connection
) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    kind = "table" if backend_for(connection).name == "plain" else "materialized view"
    connection.execute(f"drop {kind} metrics.daily_campaign_metrics cascade".encode())
    results = refresh_days(warehouse, all_aggregates(), [DAYS[0]])
    assert [(result.recreated, result.stale) for result in results] == [(True, ()), (True, ())]
    assert_equal_to_source(connection)


def test_a_child_refreshed_alone_leaves_the_parent_as_it_is(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
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
        assert {result.backend for result in refresh_days(warehouse, all_aggregates(), [])} == {"plain"}
    results = refresh_days(warehouse, all_aggregates(), [DAYS[0]])
    assert {result.recreated for result in results} == {engine == "timescale"}
    assert_equal_to_source(connection)


def test_law_11_names_columns_and_types_are_the_same_on_every_engine(
    warehouse: Warehouse, connection: Connection
) -> None:
    refresh_days(warehouse, all_aggregates(), [])
    found = connection.execute(
        """
        select c.relname || '.' || a.attname as name, format_type(a.atttypid, null) as type
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = 'metrics'::regnamespace and c.relkind in ('r', 'v') and a.attnum > 0
        order by c.relname, a.attnum
        """
    ).fetchall()
    figures = [
        ("impressions", "bigint"),
        ("clicks", "bigint"),
        ("spend", "numeric"),
        ("conversions", "numeric"),
        ("conversion_value", "numeric"),
        ("source_rows", "bigint"),
    ]
    expected = []
    for aggregate in (BY_CAMPAIGN, BY_CHANNEL):
        key = [(name, "date" if name == "day" else "text") for name in aggregate.key]
        expected += [(f"{aggregate.name}.{name}", kind) for name, kind in [*key, *figures]]
    assert [(row["name"], row["type"]) for row in found] == expected


@pytest.mark.parametrize("version", sorted(FAULTY_VERSIONS))
def test_a_timescaledb_that_loses_buckets_is_refused_and_nothing_is_touched(
    warehouse: Warehouse, connection: Connection, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    before = stored(connection, BY_CAMPAIGN)
    forget(connection, DAYS[0])

    def told(asked: Connection, query: Any, values: Any = None) -> dict[str, Any]:
        return {"extversion": version} if "extversion" in query else one(asked, query, values)

    monkeypatch.setattr(backends, "extension_state", lambda _connection: "timescale")
    monkeypatch.setattr(backends, "one", told)
    with pytest.raises(FaultyServer, match=rf"TimescaleDB {version} .* Nothing was refreshed\. Update"):
        refresh_days(warehouse, all_aggregates(), [DAYS[0]])
    assert stored(connection, BY_CAMPAIGN) == before


def test_two_refreshes_at_once_both_come_through(warehouse: Warehouse, connection: Connection) -> None:
    fill(connection)
    refresh_days(warehouse, all_aggregates(), [])
    for day in DAYS:
        forget(connection, day, "c1")
    results: list[Refreshed] = []
    failures: list[BaseException] = []

    def work(days: Sequence[date]) -> None:
        try:
            results.extend(refresh_days(warehouse, all_aggregates(), days))
        except BaseException as error:  # noqa: BLE001  told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=(days,)) for days in (DAYS[:6], DAYS[2:], DAYS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(results) == 6
    assert_equal_to_source(connection)


@pytest.mark.parametrize("seed", range(3))
def test_law_11_random_restatements_keep_the_aggregates_equal(
    warehouse: Warehouse, connection: Connection, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  a story that can be told again
    for _ in range(12):
        touched = set()
        with connection.transaction():
            for _ in range(chance.randint(0, 5)):
                day = FIRST + timedelta(days=chance.randint(-40, 60))  # over several chunks of the hypertable
                touched.add(day)
                forget(connection, day, chance.choice(["%", "c1", "c2", "c3", "c4"]))
                for campaign in chance.sample(CAMPAIGNS, chance.randint(0, 4)):
                    forget(connection, day, campaign[1])
                    put(
                        connection,
                        day,
                        campaign,
                        impressions=chance.randint(0, 10**12),
                        clicks=chance.randint(0, 10**6),
                        spend=Decimal(chance.randint(-(10**6), 10**12)).scaleb(-6),
                        conversions=Decimal(chance.randint(0, 10**9)).scaleb(-6),
                        conversion_value=Decimal(chance.randint(0, 10**12)).scaleb(-6),
                    )
        results = refresh_days(warehouse, all_aggregates(), sorted(touched))
        assert not [result.stale for result in results if result.stale]
        assert_equal_to_source(connection)
