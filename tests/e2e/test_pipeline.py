"""The whole pipeline through Dagster in this process: a first sync, and one a day later."""

import os
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import redis
from installation import ENGINES, Installation

from dataflow_assets.cli.runs import RunOutcome
from dataflow_assets.connectors import connector
from dataflow_assets.connectors.base import Kind
from dataflow_assets.resources.dbt import TARGET
from dataflow_assets.transform import columns
from dataflow_assets.windows import day_start

META = connector("meta_ads")
TODAY = date(2026, 5, 20)
ONE_DAY = timedelta(days=1)
FINDS_OUT = "plain"  # dagster-dbt has one connection in a process: the first database's
CORRECTED_LATE = TODAY - timedelta(days=33)  # before the days a daily sync reads again
FACTS = ("fct_ad_performance_daily", "fct_campaign_performance")
METRICS = ("daily_campaign_metrics", "daily_channel_metrics")
RAW_METADATA = {
    "mode",
    "rows_read",
    "rows_written",
    "rows_inserted",
    "rows_updated",
    "rows_deleted",
    "rows_unchanged",
    "rows_quarantined",
    "requests",
    "retries",
    "requests_of_a_full_sync",
    "requests_of_a_full_sync_are",
    "requests_saved_percent",
    "seconds_waited",
    "seconds_waited_for_budget",
    "response_bytes",
    "touched_days",
    "accounts",
    "preview",
    "watermark_after",
}
AGGREGATE_METADATA = {
    "engine",
    "refreshed",
    "days_refreshed",
    "rows_in_window",
    "made_anew",
    "dagster/row_count",
    "window",
    "newest_day",
    "lag_days",
    "refreshed_at",
    "verified_at",
    "bytes_on_disk",
}

# Where TimescaleDB keeps the rows of a continuous aggregate.
MATERIALIZATION = """
    select format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
    from timescaledb_information.continuous_aggregates where view_schema = 'metrics' and view_name = %s
"""
# Row versions tell which rows were written again, whatever they hold.
VERSIONS = "select {day} as day, array_agg(xmin::text || ctid::text order by ctid) as rows from {table} group by 1"
CONTENT = """
    select date_start as day,
        md5(string_agg(md5((to_jsonb(t) - '_synced_at' - '_sync_id')::text), '' order by t.*::text)) as md5
    from raw_meta_ads.{table} as t group by 1
"""
TOUCH = """
    insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
    select 'raw', connector, account_id, stream, %s, sync_id
    from dataflow.sync_ledger where stream = 'insights_campaign' limit 1
"""


@dataclass(frozen=True)
class State:
    """What the warehouse held after a run, by day."""

    raw: dict[str, dict[date, str]]
    facts: dict[str, dict[date, list[str]]]
    metrics: dict[str, dict[date, list[str]]]
    watermarks: dict[tuple[str, str], Any]
    waiting: list[dict[str, Any]]


@dataclass(frozen=True)
class Told:
    """A run, what it left behind, and what the world held then."""

    outcome: RunOutcome
    state: State
    metadata: dict[str, dict[str, Any]]
    planned: Counter[dg.AssetKey]
    made: list[dg.AssetMaterialization]
    truth: dict[str, list[Any]]


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def look(installed: Installation) -> State:
    reports = [stream.name for stream in META.streams if stream.kind is Kind.REPORT]

    def versions(table: str, day: str) -> dict[date, list[str]]:
        return {row["day"]: row["rows"] for row in installed.rows(VERSIONS.format(table=table, day=day))}

    def stored(aggregate: str) -> str:
        is_plain = installed.value(
            "select relkind = 'r' from pg_class where oid = to_regclass(%s)", f"metrics.{aggregate}"
        )
        return f"metrics.{aggregate}" if is_plain else str(installed.value(MATERIALIZATION, aggregate))

    return State(
        raw={name: {r["day"]: r["md5"] for r in installed.rows(CONTENT.format(table=name))} for name in reports},
        facts={name: versions(f"marts.{name}", "date_day") for name in FACTS},
        metrics={name: versions(stored(name), "day") for name in METRICS},
        watermarks={
            (row["account_id"], row["stream"]): row for row in installed.rows("select * from dataflow.watermarks")
        },
        waiting=installed.rows("select * from dataflow.touched_days"),
    )


def materializations(run_id: str) -> list[dg.AssetMaterialization]:
    """All that a run has materialized, day by day."""
    with dg.DagsterInstance.get() as instance:
        events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    return [record.asset_materialization for record in events if record.asset_materialization is not None]


def planned(run_id: str) -> Counter[dg.AssetKey]:
    """How often a run has announced each asset."""
    with dg.DagsterInstance.get() as instance:
        events = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED).records
    return Counter(record.asset_key for record in events if record.asset_key is not None)


def sync(installed: Installation) -> Told:
    from dataflow_assets.cli.sync import sync_now  # noqa: PLC0415  loads the definitions

    with installed.here() as platform:
        outcome = sync_now(platform)
        made, announced = materializations(outcome.run_id), planned(outcome.run_id)
    metadata = {m.asset_key.to_user_string(): {k: v.value for k, v in m.metadata.items()} for m in made}
    truth = {stream.name: installed.sandbox.truth("meta_ads", stream.name) for stream in META.streams}
    return Told(outcome, look(installed), metadata, announced, made, truth)


@pytest.fixture(scope="module")
def first(installed: Installation, engine: str, tmp_path_factory: pytest.TempPathFactory) -> Told:
    with pytest.MonkeyPatch.context() as patch:
        if engine == FINDS_OUT:
            patch.setattr(columns, "SHIPPED", tmp_path_factory.mktemp("nothing") / "shipped")
        return sync(installed)


@pytest.fixture(scope="module")
def second(installed: Installation, first: Told) -> Told:
    installed.sandbox.clock.advance(86_400)
    installed.rows(TOUCH, CORRECTED_LATE)
    return sync(installed)


def changed_days(before: dict[date, Any], after: dict[date, Any]) -> set[date]:
    return {day for day in before.keys() | after.keys() if before.get(day) != after.get(day)}


# --------------------------------------------------------------------------- the first sync


def test_a_first_sync_is_green_and_every_check_passes(first: Told) -> None:
    assert first.outcome.success, first.outcome.failures
    assert first.outcome.checks_failed == []
    assert first.outcome.checks_passed > 20


def test_a_first_sync_lands_what_the_vendor_holds(first: Told, installed: Installation) -> None:
    assert_raw_is_the_truth(first.truth, installed, since=TODAY - timedelta(days=30))


def test_a_first_sync_starts_at_the_initial_history_in_the_accounts_own_days(
    first: Told, installed: Installation
) -> None:
    zones = {row["account_id"]: ZoneInfo(row["timezone_name"]) for row in first.truth["ad_accounts"]}
    assert len(set(zones.values())) == 3
    for (account, stream), known in first.state.watermarks.items():
        if META.stream(stream).kind is Kind.REPORT:
            # All three are in the 20th at noon UTC: the 19th is complete.
            assert known["watermark"] == day_start(TODAY, zones[account])
            assert known["complete_from"] == day_start(TODAY - timedelta(days=35), zones[account])


def test_law_10_every_level_of_the_facts_adds_up_to_what_the_vendor_reports(
    first: Told, installed: Installation
) -> None:
    reported: Counter[tuple[str, str]] = Counter()
    for row in first.truth["insights_campaign"]:
        reported[row["account_id"], row["date_start"]] += Decimal(row["spend"])
    for level in ("campaign", "ad_group", "ad"):
        query = """
            select account_id, date_day::text as day, sum(spend) as spend
            from marts.fct_ad_performance_daily where entity_level = %s group by 1, 2
        """
        rows = installed.rows(query, level)
        assert rows
        stored = {(row["account_id"], row["day"]): row["spend"] for row in rows}
        wanted = {key: spend for key, spend in reported.items() if key[1] >= f"{TODAY - timedelta(days=35)}"}
        assert stored == {key: wanted[key] for key in stored}
        assert {key for key, spend in wanted.items() if spend} <= stored.keys()


def test_law_11_aggregates_equal_their_source(first: Told, installed: Installation) -> None:
    assert_aggregates_equal_source(installed)
    assert installed.value("select count(*) from metrics.daily_campaign_metrics") > 100


def test_no_day_is_left_waiting(first: Told, second: Told) -> None:
    # A day waits from the transaction that changes it until facts and aggregates have it.
    assert (first.state.waiting, second.state.waiting) == ([], [])


def test_law_3_redis_mirrors_the_watermarks(second: Told, installed: Installation) -> None:
    with redis.Redis.from_url(installed.redis_url) as client:
        for (account, stream), known in second.state.watermarks.items():
            mirrored = client.get(f"sync:watermark:meta_ads:{account}:{stream}")
            assert mirrored == known["watermark"].isoformat().encode(), (account, stream)


def test_the_columns_shipped_are_what_a_build_finds_out(first: Told, installed: Installation, engine: str) -> None:
    kept = installed.state_dir / TARGET / columns.FOUND_OUT
    if engine != FINDS_OUT:
        assert not kept.exists(), "What is shipped is known."
        return
    found = kept.read_text("utf-8")
    if os.environ.get("DATAFLOW_TEST_UPDATE"):
        columns.SHIPPED.write_text(found, "utf-8")
    assert columns.SHIPPED.read_text("utf-8") == found, "Run this test with DATAFLOW_TEST_UPDATE=1."


# --------------------------------------------------------------------------- a day later


def test_a_second_sync_is_green_and_the_warehouse_is_the_vendors_new_truth(
    second: Told, installed: Installation
) -> None:
    assert second.outcome.success, second.outcome.failures
    assert second.outcome.checks_failed == []
    assert_raw_is_the_truth(second.truth, installed, since=TODAY - timedelta(days=28))
    assert_aggregates_equal_source(installed)


def test_law_5_only_days_whose_raw_rows_changed_are_built_again(first: Told, second: Told) -> None:
    changed = set().union(*(changed_days(first.state.raw[name], second.state.raw[name]) for name in first.state.raw))
    changed.add(CORRECTED_LATE)
    unchanged = first.state.raw["insights_campaign"].keys() - changed
    assert TODAY + ONE_DAY in changed
    assert len(changed) > 1, "The vendor corrects past days; without such a day this test shows nothing."
    assert unchanged, "Without a day that stayed as it was this test shows nothing."
    for layer, tables in (("facts", FACTS), ("metrics", METRICS)):
        for table in tables:
            rebuilt = changed_days(getattr(first.state, layer)[table], getattr(second.state, layer)[table])
            assert rebuilt == changed, f"{layer}: {table}"


def test_law_3_a_day_later_every_watermark_has_moved_by_a_day(first: Told, second: Told) -> None:
    for key, known in second.state.watermarks.items():
        before = first.state.watermarks[key]
        if META.stream(key[1]).kind is Kind.REPORT:
            assert known["watermark"] - before["watermark"] == ONE_DAY, key
            assert known["complete_from"] == before["complete_from"]
        else:
            assert known["watermark"] >= before["watermark"]


def test_law_5_settled_days_are_those_the_vendor_no_longer_changes(second: Told) -> None:
    settled = {
        known["settled_through"] for (_, s), known in second.state.watermarks.items() if s.startswith("insights")
    }
    assert settled == {TODAY + ONE_DAY - timedelta(days=28) - ONE_DAY}


# --------------------------------------------------------------------------- what Dagster is told


def test_a_raw_materialization_carries_the_documented_metadata(first: Told, second: Told) -> None:
    for stream in META.streams:
        known = first.metadata[f"raw/meta_ads/{stream.name}"]
        settled = {"settled_through"} if stream.kind is Kind.REPORT else set()
        assert known.keys() - {"dagster/partition_row_count"} == RAW_METADATA | settled, stream.name
        assert known["mode"] == "sandbox"
        assert known["rows_written"] == known["rows_inserted"] + known["rows_updated"] + known["rows_deleted"]
        assert known["requests"] > 0
        later = second.metadata[f"raw/meta_ads/{stream.name}"]
        assert later["watermark_before"] == known["watermark_after"]


def test_metadata_tells_the_same_as_the_ledger(second: Told, installed: Installation) -> None:
    for row in installed.rows(
        """
        select stream, sum(rows_read)::bigint as rows_read, sum(rows_unchanged)::bigint as rows_unchanged
        from dataflow.sync_ledger where run_id = %s group by 1
        """,
        second.outcome.run_id,
    ):
        told = second.metadata[f"raw/meta_ads/{row['stream']}"]
        assert {name: told[name] for name in ("rows_read", "rows_unchanged")} == {
            name: row[name] for name in ("rows_read", "rows_unchanged")
        }


def test_an_aggregate_says_what_it_refreshed_and_how_it_stands(
    first: Told, second: Told, engine: str, installed: Installation
) -> None:
    changed = set().union(*(changed_days(first.state.raw[name], second.state.raw[name]) for name in first.state.raw))
    for name in METRICS:
        told = second.metadata[f"metrics/{name}"]
        assert told.keys() - {"dagster/partition_row_count"} == AGGREGATE_METADATA | (
            # Only a fact that grows is laid out as columns; one of these two is made of the other.
            {"storage_of_facts"} if engine == "timescale" and name == "daily_campaign_metrics" else set()
        )
        assert (told["engine"], told["made_anew"]) == (engine, False)
        assert told["days_refreshed"] == len(changed | {CORRECTED_LATE})
        assert told["dagster/row_count"] == installed.value(f"select count(*) from metrics.{name}")
        assert told["newest_day"] == f"{TODAY + ONE_DAY}"
        assert told["bytes_on_disk"] > 0
        assert told["verified_at"] == told["refreshed_at"]


def test_a_run_over_days_plans_each_day_of_what_is_by_day_and_all_else_once(first: Told) -> None:
    """Views planned once per day were three quarters of a first sync's events."""
    from dataflow_assets.definitions import defs  # noqa: PLC0415  loaded by now

    by_day = {node.key for node in defs.resolve_asset_graph().asset_nodes if node.partitions_def}
    days = max(first.planned.values())
    assert days > 30
    for key, times in first.planned.items():
        assert times == (days if key in by_day else 1), key.to_user_string()


def test_what_a_run_tells_of_all_its_days_is_told_once(first: Told) -> None:
    by_day = [made for made in first.made if made.partition]
    assert {made.asset_key.path[0] for made in by_day} == {"raw", "marts", "metrics"}
    newest = max(str(made.partition) for made in by_day)
    telling = Counter(made.asset_key for made in by_day if made.partition == newest and made.metadata)
    assert telling == Counter({made.asset_key for made in by_day})
    assert not [made.asset_key for made in by_day if made.partition != newest and made.metadata]


def test_every_table_of_the_graph_is_materialized(first: Told) -> None:
    from dataflow_assets.definitions import defs  # noqa: PLC0415  loaded by now

    graph = defs.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.materializable_asset_keys} == first.metadata.keys()


def assert_raw_is_the_truth(truth: dict[str, list[Any]], installed: Installation, since: date) -> None:
    for stream in META.streams:
        if stream.kind is Kind.REPORT:
            ids = stream.key
            query = (
                f"select {', '.join(ids)}, impressions, spend from raw_meta_ads.{stream.name} where date_start >= %s"
            )
            stored = {
                tuple(str(row[name]) for name in ids): (row["impressions"], row["spend"])
                for row in installed.rows(query, since)
            }
            wanted = {
                tuple(row[name] for name in ids): (int(row["impressions"]), Decimal(row["spend"]))
                for row in truth[stream.name]
                if row["date_start"] >= since.isoformat()
            }
        else:
            listed = "select id, to_jsonb(t) ->> 'name' as name from raw_meta_ads.{} as t where _deleted_at is null"
            stored = {row["id"]: row["name"] for row in installed.rows(listed.format(stream.name))}
            wanted = {row["id"]: row.get("name") for row in truth[stream.name]}
        assert wanted, stream.name
        assert stored == wanted, stream.name


def assert_aggregates_equal_source(installed: Installation) -> None:
    sums = "sum(impressions) as i, sum(clicks) as c, sum(spend) as s, sum(conversions) as n, sum(conversion_value) as v"
    by_campaign = "platform, account_id, campaign_id, currency"
    by_channel = "platform, account_id, currency"
    for table, key in (("daily_campaign_metrics", by_campaign), ("daily_channel_metrics", by_channel)):
        query = f"""
            (select date_day, {key}, {sums} from marts.fct_campaign_performance group by 1, {key}
            except all select day, {key}, {sums} from metrics.{table} group by 1, {key})
            union all
            (select day, {key}, {sums} from metrics.{table} group by 1, {key}
            except all select date_day, {key}, {sums} from marts.fct_campaign_performance group by 1, {key})
        """
        assert installed.rows(query) == [], table
