"""Policies of TimescaleDB kept as they are configured, and facts that change after they have become columns.

Where there is no TimescaleDB the same facts stay rows, and the tests show that this is said.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from facts import CAMPAIGN, CHANNEL, differing, insert_days

from dataflow_assets.aggregates import policies
from dataflow_assets.aggregates.policies import (
    GROWING_FACTS,
    PolicyRefused,
    PolicyState,
    apply_policies,
    longest_restatement,
    missing_reason,
    policy_states,
    retention_horizons,
    wanted_policies,
)
from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.state import Standing, in_words, standing
from dataflow_assets.resources.warehouse import Connection, Warehouse, one
from dataflow_assets.settings import Settings, StorageSettings

TODAY = date(2026, 11, 20)
FACTS = [columns.fact for columns in GROWING_FACTS]
ADS = tuple(a for a in all_aggregates() if a.name.split("_")[1] in {"campaign", "channel"})
THINGS = 5
DECOMPRESSION_LIMIT = "timescaledb.max_tuples_decompressed_per_dml_transaction"


def configured(**storage: int) -> Settings:
    return Settings(storage=StorageSettings(**storage))


def states(after: int | None, kept: int | None) -> list[PolicyState]:
    return [PolicyState(fact, after, kept) for fact in FACTS]


def jobs(connection: Connection) -> list[Any]:
    return connection.execute("select job_id from timescaledb_information.jobs order by 1").fetchall()


# --------------------------------------------------------------------------- what is configured


def test_by_default_facts_become_columns_a_chunk_after_vendors_have_settled_and_are_kept() -> None:
    settings = Settings()
    assert longest_restatement(settings) == 30
    wanted = wanted_policies(settings)
    assert (wanted.columnstore_after_days, wanted.retention_days) == (120, None)


def test_columns_can_be_switched_off() -> None:
    assert wanted_policies(configured(columnstore_after_days=0)).columnstore_after_days is None


@pytest.mark.parametrize("name", ["columnstore_after_days", "retention_days"])
def test_a_policy_that_undercuts_what_is_still_refreshed_is_refused(connection: Connection, name: str) -> None:
    with pytest.raises(PolicyRefused, match=rf"DATAFLOW_STORAGE__{name.upper()} is 30, but .* Nothing was changed\."):
        apply_policies(connection, configured(**{name: 30}))
    assert {(s.columnstore_after_days, s.retention_days) for s in policy_states(connection)} <= {(None, None)}
    wanted_policies(configured(**{name: 31}))


# --------------------------------------------------------------------------- what the server has


def test_policies_are_applied_once_and_follow_the_settings(connection: Connection, engine: str) -> None:
    if engine == "plain":
        assert apply_policies(connection, configured(retention_days=900)) == []
        assert missing_reason(connection) == "the server has no TimescaleDB"
        assert retention_horizons(connection, configured(retention_days=900), TODAY) == {}
        return
    assert policy_states(connection) == states(None, None)
    assert apply_policies(connection, configured()) == states(120, None)
    before = jobs(connection)
    assert apply_policies(connection, configured()) == states(120, None)
    assert jobs(connection) == before, "what is right is left alone"
    assert apply_policies(connection, configured(columnstore_after_days=200, retention_days=900)) == states(200, 900)
    assert apply_policies(connection, configured(columnstore_after_days=0, retention_days=800)) == states(None, 800)
    assert apply_policies(connection, configured(columnstore_after_days=0)) == states(None, None)
    horizons = retention_horizons(connection, configured(retention_days=900), TODAY)
    assert horizons == dict.fromkeys(FACTS, TODAY - timedelta(days=900))


def test_columns_are_laid_out_for_restatement(connection: Connection, engine: str) -> None:
    apply_policies(connection, configured())
    if engine == "plain":
        return
    found = connection.execute(
        "select hypertable::text as fact, segmentby, orderby "
        "from timescaledb_information.hypertable_columnstore_settings where orderby is not null"
    ).fetchall()
    laid_out = {row["fact"]: (row["segmentby"], row["orderby"]) for row in found}
    assert laid_out["marts.fct_ad_performance_daily"] == ("account_id", "date_day,entity_id")
    assert laid_out.keys() == set(FACTS), "a fact of few rows stays rows"


def test_a_job_that_failed_is_told() -> None:
    ran = datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
    job = {"proc_name": "policy_compression", "days": 120, "last_run_started_at": ran, "total_failures": 2}
    failed = policies._state("marts.f", [{**job, "last_run_status": "Failed"}])
    assert str(failed) == (
        "columns after 120 days, kept for ever, policy_compression failed at 2026-11-20 04:30 UTC, 2 times"
    )
    assert policies._state("marts.f", [{**job, "last_run_status": "Success"}]).job_problem == ""


def test_how_the_server_words_the_failure_of_a_job_is_what_is_looked_for(connection: Connection, engine: str) -> None:
    if engine == "plain":
        return
    view = one(connection, "select pg_get_viewdef('timescaledb_information.job_stats'::regclass) as text")["text"]
    assert "'Failed'" in view


# --------------------------------------------------------------------------- facts that have become columns


def fill(connection: Connection) -> None:
    """A year of days of one fact, of which all but the newest chunk become columns."""
    insert_days(connection, TODAY - timedelta(days=360), TODAY, THINGS)


def compress(connection: Connection) -> None:
    apply_policies(connection, configured())
    chunks = connection.execute(
        "select show_chunks('marts.fct_campaign_performance', older_than => %s::date)::text as chunk",
        (TODAY - timedelta(days=120),),
    ).fetchall()
    for row in chunks:
        connection.execute(f"call convert_to_columnstore('{row['chunk']}')".encode())
    assert chunks


def columns_stats(connection: Connection) -> int:
    query = "select number_compressed_chunks as n from hypertable_columnstore_stats('marts.fct_campaign_performance')"
    return int(one(connection, query)["n"])  # type: ignore[arg-type]


def restate(connection: Connection, days: int) -> list[date]:
    """What dbt does to a range of old days: it deletes them and inserts what they are now."""
    first = TODAY - timedelta(days=300)
    touched = [first + timedelta(days=n) for n in range(days)]
    with connection.transaction():
        connection.execute(f"select set_config('{DECOMPRESSION_LIMIT}', '0', true)".encode())
        bounds = (touched[0], touched[-1])
        connection.execute("delete from marts.fct_campaign_performance where date_day between %s and %s", bounds)
        insert_days(connection, touched[0], touched[-1], THINGS - 1)
    return touched


def test_a_deep_backfill_into_columns_gives_what_it_gives_into_rows(
    warehouse: Warehouse, connection: Connection, engine: str
) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    if engine == "timescale":
        compress(connection)
        assert columns_stats(connection) > 1
        # Rows enough to reach the limit would take long, so the limit comes to the rows.
        connection.execute(f"set {DECOMPRESSION_LIMIT} = 1")  # type: ignore[call-overload]
        with pytest.raises(psycopg.errors.ConfigurationLimitExceeded):
            connection.execute("update marts.fct_campaign_performance set clicks = 3 where date_day < '2026-02-01'")
    touched = restate(connection, 90)
    results = refresh_days(warehouse, ADS, touched)
    assert {(result.repaired, result.stale) for result in results} == {((), ())}
    assert differing(connection, (CAMPAIGN, CHANNEL)) == []
    kept = one(connection, "select count(*) as n from marts.fct_campaign_performance")["n"]
    assert kept == 361 * THINGS - len(touched), "of each restated day one campaign is gone"


def test_what_stands_below_an_aggregate_is_told(warehouse: Warehouse, connection: Connection, engine: str) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    if engine == "timescale":
        compress(connection)
    stands: dict[str, Standing] = {a.name: standing(connection, a) for a in ADS}
    daily = stands["daily_campaign_metrics"]
    assert (daily.rows, daily.first_bucket, daily.last_day) == (361 * THINGS, TODAY - timedelta(days=360), TODAY)
    assert daily.lag_days(TODAY + timedelta(days=2)) == 2
    assert daily.bytes_on_disk > 100_000
    assert daily.refreshed_at == daily.verified_at is not None
    words = in_words(daily, TODAY)
    if engine == "timescale":
        assert words["storage_of_facts"].startswith("columns after 120 days, kept for ever")
        assert words["compression_ratio_of_facts"] > 1
    else:
        assert "storage_of_facts" not in words
    monthly = stands["monthly_channel_metrics"]
    assert (monthly.last_bucket, monthly.last_day) == (TODAY.replace(day=1), TODAY)
    assert monthly.compression_ratio is None


def test_an_empty_aggregate_says_so(warehouse: Warehouse, connection: Connection) -> None:
    refresh_days(warehouse, ADS, [])
    words = in_words(standing(connection, ADS[0]), TODAY)
    assert (words["dagster/row_count"], words["window"]) == (0, "empty")
    assert "lag_days" not in words


def test_retention_drops_facts_and_no_aggregate(warehouse: Warehouse, connection: Connection, engine: str) -> None:
    fill(connection)
    refresh_days(warehouse, ADS, [])
    query = "select count(*) as n, min(day) as first from metrics.daily_campaign_metrics"
    before = one(connection, query)  # type: ignore[arg-type]
    if engine == "timescale":
        connection.execute(
            "select drop_chunks('marts.fct_campaign_performance', older_than => %s::date)",
            (TODAY - timedelta(days=180),),
        )
        assert one(connection, "select min(date_day) as d from marts.fct_campaign_performance")["d"] > before["first"]
    horizons = dict.fromkeys(FACTS, TODAY - timedelta(days=180))
    everything = [TODAY - timedelta(days=n) for n in range(361)]
    results = refresh_days(warehouse, ADS, everything, horizons)
    assert {result.stale for result in results} == {()}
    assert one(connection, query) == before  # type: ignore[arg-type]
