"""dbt builds on a real PostgreSQL: what the facts hold, and what a rebuild of some days does to them.

Each dbt command takes seconds, so the commands run once, in fixtures, and the tests look at what they left.
"""

import time
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import raw_rows
from dbt_command import Dbt, dbt_connection
from psycopg.rows import dict_row
from raw_rows import DAYS, EURO, YEN
from test_dbt_project import FACTS

from dataflow_assets.aggregates.policies import apply_policies
from dataflow_assets.connectors import all_connectors
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.settings import Settings

Rows = list[dict[str, Any]]
MEASURES = ("impressions", "clicks", "clicks_all", "spend", "conversions", "conversion_value")
REBUILT = f"{DAYS[1]}...{DAYS[2]},{DAYS[4]}...{DAYS[4]}"
FACT = "fct_ad_performance_daily"
RECONCILIATIONS = ("meta_ads_facts_equal_raw", "ad_levels_add_up")


@dataclass(frozen=True)
class Built:
    """The marts as a dbt command left them, and how its nodes ended."""

    statuses: Mapping[str, str]
    facts: Rows
    campaigns: Rows
    conversions: Rows
    dim_campaign: Rows
    coverage: Rows
    labelled: Rows


def look(connection: psycopg.Connection[Any], statuses: Mapping[str, str]) -> Built:
    def rows(table: str, order: str) -> Rows:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(f"select * from marts.{table} order by {order}").fetchall()

    return Built(
        statuses,
        rows("fct_ad_performance_daily", "platform, entity_level, account_id, entity_id, date_day"),
        rows("fct_campaign_performance", "platform, account_id, campaign_id, date_day"),
        rows("fct_conversions_daily", "platform, campaign_id, action, attribution_window, date_day"),
        rows("dim_campaign", "platform, account_id, campaign_id"),
        rows("coverage", "platform, account_id, stream"),
        rows("campaign_performance_with_status", "account_id, campaign_id, date_day"),
    )


def of_day(rows: Rows, day: str) -> Rows:
    return [row for row in rows if row["date_day"] == date.fromisoformat(day)]


@pytest.fixture(scope="module")
def dbt(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> Dbt:
    return Dbt(tmp_path_factory.mktemp("built"), dbt_connection(database_url))


@pytest.fixture(scope="module")
def first(dbt: Dbt, connection: psycopg.Connection[Any]) -> Built:
    """Every day built, with the unit tests."""
    raw_rows.load(connection)
    connection.execute("update raw_meta_ads.campaigns set _synced_at = %s", [f"{DAYS[0]} 06:00Z"])
    done = dbt("build")
    assert done.returncode == 0, done.stdout
    return look(connection, dbt.results())


@pytest.fixture(scope="module")
def second(dbt: Dbt, connection: psycopg.Connection[Any], database_url: str, first: Built) -> Built:
    """Raw rows changed on the 2nd, vanished on the 3rd, changed on the 4th; built are the 2nd, 3rd and 5th.

    The campaign in euro was renamed, as a sync found at the first instant of the 4th in Berlin.

    The build starts while another one has the facts, and the 2nd changes once more before that one is done. People have
    put views of their own on a staging view and on a dimension.
    """
    del first
    connection.execute("create view public.my_ads as select ad_id from staging.stg_meta_ads__insights_ad")
    connection.execute("create view public.my_names as select campaign_name from marts.dim_campaign")
    connection.execute(
        "update raw_meta_ads.campaigns set name = 'Summer', _synced_at = %s where account_id = %s",
        [f"{DAYS[2]} 23:00Z", EURO],
    )
    raw_rows.delete(connection, ["insights_ad"], f"date_start = '{DAYS[1]}' and ad_id = 'b'")
    insights = ("insights_campaign", "insights_ad_set", "insights_ad")
    raw_rows.delete(connection, insights, f"date_start = '{DAYS[2]}'")
    connection.execute(f"update raw_meta_ads.insights_campaign set spend = 70 where date_start = '{DAYS[3]}'")
    arguments = ("--debug", "build", "--exclude-resource-type", "unit_test")
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(database_url) as other_build:
            other_build.execute(f"select pg_advisory_xact_lock(hashtextextended('marts.{FACT}', 0))")
            build = pool.submit(dbt, *arguments, DATAFLOW_BUILD_WINDOWS=REBUILT)
            while not connection.execute("select from pg_locks where locktype = 'advisory' and not granted").fetchall():
                assert not build.done(), build.result().stdout
                time.sleep(0.05)
            day = f"date_start = '{DAYS[1]}' and account_id = '{EURO}'"
            connection.execute(f"update raw_meta_ads.insights_campaign set spend = 60 where {day}")
        done = build.result()
    assert done.returncode == 0, done.stdout
    assert "no changes found, skipping parsing" in done.stdout
    return look(connection, dbt.results())


def test_a_build_of_every_day_passes_with_all_unit_tests(first: Built) -> None:
    # Exposures are nodes to dbt too, with nothing to do.
    assert {s for name, s in first.statuses.items() if not name.startswith("exposure.")} == {"success", "pass"}
    kinds = defaultdict(int)
    for name in first.statuses:
        kinds[name.split(".")[0]] += 1
    assert kinds["unit_test"] >= 9
    assert kinds["test"] >= 9


def test_ratios_are_those_of_the_sums_in_the_row(first: Built) -> None:
    (row,) = (r for r in of_day(first.campaigns, DAYS[0]) if r["campaign_id"] == "1001")
    assert [row[name] for name in MEASURES] == [3_000, 40, 70, Decimal(50), Decimal(8), Decimal(125)]
    ratios = {"ctr": "1.333333", "cpc": "1.25", "cpm": "16.666667", "cpa": "6.25", "conversion_rate": "20"}
    ratios |= {"roas": "2.5", "roi": "150"}
    assert {name: row[name] for name in ratios} == {name: Decimal(value) for name, value in ratios.items()}


def test_a_value_without_a_count_and_a_row_without_clicks_are_kept(first: Built) -> None:
    (row,) = (r for r in first.campaigns if r["account_id"] == YEN)
    assert (row["currency"], row["report_time_zone"]) == ("JPY", "Asia/Tokyo")
    assert [row[name] for name in MEASURES] == [500, 0, 0, Decimal(900), Decimal(0), Decimal(4_200)]
    assert (row["cpc"], row["cpa"], row["conversion_rate"]) == (0, 0, 0)
    assert row["roas"] == Decimal("4.666667")


def test_a_purchase_under_three_names_counts_once(first: Built) -> None:
    ads = [row for row in of_day(first.facts, DAYS[0]) if row["entity_level"] == "ad"]
    conversions = {row["entity_id"]: row["conversions"] for row in ads if row["campaign_id"] == "1001"}
    assert conversions == {"a": 2, "b": 2, "c": 4}


def test_of_the_names_of_an_event_one_is_counted(first: Built) -> None:
    rows = [row for row in of_day(first.conversions, DAYS[0]) if row["campaign_id"] == "1001"]
    names = {row["action"]: (row["counts_as"], row["is_counted"], row["conversions"]) for row in rows}
    assert names == {
        "link_click": ("link_click", True, 25),
        "omni_purchase": ("purchase", True, 8),
        "purchase": ("purchase", False, 8),
        "offsite_conversion.fb_pixel_purchase": ("purchase", False, 8),
    }


def test_amounts_in_the_home_currency_are_those_of_the_rate_of_the_day(
    first: Built, connection: psycopg.Connection[Any]
) -> None:
    (rate,) = connection.execute(
        "select rate from marts.dim_exchange_rate where currency = 'JPY' and %s between valid_from and valid_to - 1",
        [DAYS[1]],
    ).fetchone() or (None,)
    (yen,) = (row for row in first.campaigns if row["account_id"] == YEN)
    assert (yen["spend_home"], yen["conversion_value_home"]) == (round(900 * rate, 6), round(4_200 * rate, 6))
    euros = [row for row in first.campaigns if row["account_id"] == EURO]
    assert [row["spend_home"] for row in euros] == [row["spend"] for row in euros]
    assert {row["home_currency"] for row in first.campaigns} == {"EUR"}


def test_what_is_on_no_ad_is_a_row_of_its_own(first: Built) -> None:
    (row,) = (row for row in first.facts if row["entity_id"] == "unallocated:1001")
    assert (row["entity_level"], row["date_day"]) == ("ad", date.fromisoformat(DAYS[2]))
    assert (row["ad_group_id"], row["ad_id"], row["currency"]) == (None, None, "EUR")
    assert [row[name] for name in MEASURES] == [0, 0, 0, Decimal("4.25"), 0, 0]


@pytest.mark.parametrize("build", ["first", "second"])
def test_every_level_adds_up_to_the_campaigns(build: str, request: pytest.FixtureRequest) -> None:
    """Law 10: every grain ties."""
    sums: defaultdict[tuple[Any, ...], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(MEASURES, 0))
    for row in request.getfixturevalue(build).facts:
        for name in MEASURES:
            sums[row["date_day"], row["account_id"], row["campaign_id"], row["entity_level"]][name] += row[name]
    keys = {key[:3] for key in sums}
    for key in keys:
        assert sums[(*key, "ad_group")] == sums[(*key, "campaign")], key
        assert sums[(*key, "ad")] == sums[(*key, "campaign")], key
    assert len(keys) > 3


def test_budgets_are_in_major_units_also_where_there_are_no_minor_ones(first: Built) -> None:
    budgets = {row["account_id"]: row["daily_budget"] for row in first.dim_campaign if row["campaign_id"] != "1002"}
    assert budgets == {EURO: Decimal(25), YEN: Decimal(2_500)}


def test_a_campaign_known_from_reports_alone_keeps_its_name(first: Built) -> None:
    (row,) = (row for row in first.dim_campaign if row["campaign_id"] == "1002")
    assert (row["campaign_name"], row["status"], row["is_deleted"]) == ("Gone", None, None)


def test_coverage_is_told_in_days_of_the_account(first: Built) -> None:
    (row,) = first.coverage
    days = [row[name] for name in ("complete_from", "complete_through", "settled_through")]
    assert days == [date(2026, 8, 22), date(2026, 11, 19), date(2026, 10, 22)]


def test_a_renamed_campaign_has_two_names_as_it_was_and_one_as_it_is(first: Built, second: Built) -> None:
    def names(built: Built) -> list[tuple[str, str, str]]:
        days = [row for row in built.labelled if row["campaign_id"] == "1001"]
        return [(f"{row['date_day']}", row["campaign_name_as_was"], row["campaign_name_as_is"]) for row in days]

    assert names(first) == [(day, "Spring", "Spring") for day in DAYS]
    assert names(second) == [
        (DAYS[0], "Spring", "Summer"),
        (DAYS[1], "Spring", "Summer"),
        (DAYS[3], "Summer", "Summer"),
        (DAYS[4], "Summer", "Summer"),
    ]


def test_the_newest_version_of_a_campaign_is_the_campaign(second: Built, connection: psycopg.Connection[Any]) -> None:
    with connection.cursor(row_factory=dict_row) as cursor:
        versions = cursor.execute(
            "select * from marts.dim_campaign_history order by platform, account_id, campaign_id, version_number"
        ).fetchall()
    described = ("platform", "account_id", "campaign_id", "campaign_name", "status", "daily_budget", "is_deleted")
    current = [[row[name] for name in described] for row in versions if row["is_current"]]
    assert current == [[row[name] for name in described] for row in second.dim_campaign]
    assert [row["version_number"] for row in versions if row["account_id"] == EURO] == [1, 2, 1]


def test_the_calendar_is_that_of_iso_8601(first: Built, connection: psycopg.Connection[Any]) -> None:
    with connection.cursor(row_factory=dict_row) as cursor:
        days = cursor.execute("select * from marts.dim_date order by date_day").fetchall()
    for row in days:
        day: date = row["date_day"]
        year, week, weekday = day.isocalendar()
        assert (row["iso_year"], row["iso_week"], row["weekday"]) == (year, week, weekday)
        assert (row["iso_week_name"], row["weekday_name"]) == (f"{year:04}-W{week:02}", day.strftime("%A"))
        assert (row["week_start"], row["is_weekend"]) == (day - timedelta(days=weekday - 1), weekday > 5)
        quarter = (day.month + 2) // 3
        assert (row["calendar_year"], row["quarter_of_year"], row["month_of_year"]) == (day.year, quarter, day.month)
        assert (row["quarter_start"], row["month_start"]) == (date(day.year, quarter * 3 - 2, 1), day.replace(day=1))
    assert (days[0]["date_day"], days[-1]["date_day"], len(days)) == (date(2000, 1, 1), date(2049, 12, 31), 18_263)


def test_a_build_that_waited_for_another_sees_what_was_stored_meanwhile(second: Built) -> None:
    (campaign,) = (r for r in of_day(second.campaigns, DAYS[1]) if r["campaign_id"] == "1001")
    assert campaign["spend"] == Decimal(60)


def test_a_rebuilt_day_is_what_raw_says_now(second: Built) -> None:
    ads = {row["entity_id"]: row["spend"] for row in of_day(second.facts, DAYS[1]) if row["entity_level"] == "ad"}
    assert "b" not in ads
    assert ads["unallocated:1001"] == Decimal("20.50")


def test_a_day_that_has_become_empty_becomes_empty(first: Built, second: Built) -> None:
    assert of_day(first.facts, DAYS[2])
    assert of_day(second.facts, DAYS[2]) == []
    assert of_day(second.campaigns, DAYS[2]) == []


def test_days_outside_the_windows_are_left_alone(first: Built, second: Built) -> None:
    for day in (DAYS[0], DAYS[3]):
        assert of_day(second.facts, day) == of_day(first.facts, day)
        assert of_day(second.campaigns, day) == of_day(first.campaigns, day)


def test_building_an_unchanged_day_again_changes_nothing(first: Built, second: Built) -> None:
    assert of_day(second.facts, DAYS[4]) == of_day(first.facts, DAYS[4]) != []
    assert of_day(second.campaigns, DAYS[4]) == of_day(first.campaigns, DAYS[4]) != []


@pytest.mark.parametrize(("fact", "tables"), [(FACT, 3), ("fct_conversions_daily", 1)])
def test_a_build_of_some_days_reads_no_other_days(
    fact: str, tables: int, dbt: Dbt, second: Built, connection: psycopg.Connection[Any]
) -> None:
    # A CTE used twice, or a full join, would keep the days from the raw tables: each sync would read all history.
    del second
    compiled = dbt.folder / "target" / "compiled" / "dataflow" / "models" / "marts" / "marketing" / f"{fact}.sql"
    explained = connection.execute(f"explain (format json) {compiled.read_text('utf-8')}").fetchone()
    assert explained
    pending, scans = [explained[0][0]["Plan"]], []
    while pending:
        node = pending.pop()
        pending += node.get("Plans", [])
        if node.get("Relation Name", "").startswith("insights_"):
            scans.append(node.get("Filter", "") + node.get("Index Cond", "") + node.get("Recheck Cond", ""))
    assert len(scans) >= tables
    assert all("date_start >= " in condition for condition in scans)


def test_views_that_people_have_put_on_models_survive_a_build(
    second: Built, connection: psycopg.Connection[Any]
) -> None:
    del second
    assert connection.execute("select count(*) from public.my_ads").fetchone() == (11,)
    assert connection.execute("select count(*) from public.my_names").fetchone() == (3,)


@pytest.fixture(scope="module")
def after_damage(dbt: Dbt, connection: psycopg.Connection[Any], second: Built) -> Mapping[str, str]:
    """Statuses of the reconciliations after one cent was added to an ad of a day that was not built since."""
    del second
    day = f"date_day = '{DAYS[0]}'"
    connection.execute(f"update marts.{FACT} set spend = spend + 0.01 where {day} and entity_id = 'a'")
    dbt("test", "--select", *RECONCILIATIONS, DATAFLOW_BUILD_WINDOWS=f"{DAYS[0]}...{DAYS[0]}")
    return dbt.results()


def test_a_cent_too_much_fails_both_reconciliations(after_damage: Mapping[str, str]) -> None:
    assert {name.split(".")[2]: status for name, status in after_damage.items()} == dict.fromkeys(
        RECONCILIATIONS, "fail"
    )


def test_a_build_without_rows_is_refused_instead_of_deleting_days(
    dbt: Dbt, connection: psycopg.Connection[Any], second: Built
) -> None:
    done = dbt("run", "--empty", "--select", "fct_campaign_performance", "dim_account")
    assert done.returncode != 0
    assert done.stdout.count("--empty and --sample would delete the rows they leave out") >= 2
    assert look(connection, {}).campaigns == second.campaigns


def become_columns(database_url: str) -> None:
    """Every chunk of the facts, and one row is too many to be unpacked unless whoever writes lifts the limit."""
    limit = "timescaledb.max_tuples_decompressed_per_dml_transaction"
    with Warehouse(database_url).connect(autocommit=True) as connection:
        apply_policies(connection, Settings())
        for fact in ("fct_ad_performance_daily", "fct_campaign_performance"):
            for row in connection.execute(f"select show_chunks('marts.{fact}')::text as chunk".encode()).fetchall():
                # The policy's own job may have been faster.
                connection.execute(
                    f"call convert_to_columnstore('{row['chunk']}', if_not_columnstore => true)".encode()
                )
        connection.execute(f"alter database {connection.info.dbname} set {limit} = 1".encode())


def test_own_rates_go_before_the_shipped_ones(dbt: Dbt, connection: psycopg.Connection[Any], second: Built) -> None:
    del second
    connection.execute("create table public.my_rates (currency text, rate_date date, units_per_usd numeric)")
    connection.execute("insert into public.my_rates values ('JPY', '2026-02-01', 200), ('JPY', '2026-02-11', 100)")
    done = dbt("run", "--select", "dim_exchange_rate", "--vars", "{fx_rates: public.my_rates, home_currency: USD}")
    assert done.returncode == 0, done.stdout
    rates = connection.execute(
        "select rate_date, rate, source, rate_policy from marts.dim_exchange_rate where currency = 'JPY' "
        "and daterange(valid_from, valid_to) && daterange('2026-02-01', '2026-03-02') order by valid_from"
    ).fetchall()
    assert rates[:2] == [
        (date(2026, 2, 1), Decimal("0.005"), "public.my_rates", "own rate"),
        (date(2026, 2, 11), Decimal("0.01"), "public.my_rates", "own rate"),
    ]
    assert [rate[2:] for rate in rates[2:]] == [("shipped monthly averages", "monthly average")]


@pytest.mark.timescale
def test_hypertables_hold_the_same_facts_and_stay_hypertables(tmp_path: Path, timescale_url: str, first: Built) -> None:
    """Law 11: same results with TimescaleDB and without it, and dbt never makes a plain table of a hypertable."""
    Warehouse(timescale_url).migrate(s for connector in all_connectors() for s in create_statements(connector))
    with psycopg.connect(timescale_url, autocommit=True) as connection:
        raw_rows.load(connection)
        dbt = Dbt(tmp_path, dbt_connection(timescale_url))
        for windows in ("", REBUILT):
            done = dbt("build", "--exclude-resource-type", "unit_test", DATAFLOW_BUILD_WINDOWS=windows)
            assert done.returncode == 0, done.stdout
            become_columns(timescale_url)
        built = look(connection, {})
        hypertables = connection.execute(
            "select hypertable_name from timescaledb_information.hypertables where hypertable_schema = 'marts'"
        ).fetchall()
    assert {name for (name,) in hypertables} == set(FACTS)
    assert (built.facts, built.campaigns, built.conversions) == (first.facts, first.campaigns, first.conversions)
