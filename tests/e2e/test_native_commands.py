"""Dagster's own commands from the root of the repository; servers named in the environment, no daemon."""

import sys

import pytest
from installation import Completed, Installation

FIRST, LAST = "2026-05-10", "2026-05-12"
RANGE = f"{FIRST}...{LAST}"


def dagster(installed: Installation, *args: str) -> Completed:
    return installed.run(sys.executable, "-m", "dagster", *args)


def materialize(installed: Installation, select: str, *partitions: str) -> Completed:
    return dagster(
        installed, "asset", "materialize", "--select", select, *partitions, "-m", "dataflow_assets.definitions"
    )


def days(installed: Installation, table: str, day: str) -> list[str]:
    return [row["day"] for row in installed.rows(f"select distinct {day}::text as day from {table} order by 1")]


@pytest.fixture(scope="module")
def everything(installed: Installation) -> Completed:
    return materialize(installed, "*", "--partition-range", RANGE)


def test_everything_is_materialized_over_a_range_in_one_run(everything: Completed, installed: Installation) -> None:
    # Tables by day and tables without days, views and aggregates, from an empty warehouse.
    assert everything.returncode == 0, everything.stderr[-4_000:]
    expected = ["2026-05-10", "2026-05-11", "2026-05-12"]
    assert days(installed, "raw_meta_ads.insights_campaign", "date_start") == expected
    assert days(installed, "marts.fct_campaign_performance", "date_day") == expected
    assert days(installed, "metrics.daily_channel_metrics", "day") == expected
    assert installed.value("select count(*) from marts.dim_campaign") == 6
    assert installed.value("select count(distinct run_id) from dataflow.sync_ledger") == 1
    assert installed.rows("select * from dataflow.touched_days") == []


def test_law_3_what_is_known_complete_is_the_range_that_was_read(
    everything: Completed, installed: Installation
) -> None:
    del everything
    known = installed.rows(
        """
        select distinct (complete_from at time zone timezone_name)::date::text as first,
            (watermark at time zone timezone_name)::date::text as past
        from dataflow.watermarks join raw_meta_ads.ad_accounts as a using (account_id) where stream like 'insights%%'
        """
    )
    assert known == [{"first": "2026-05-10", "past": "2026-05-13"}]


@pytest.mark.long
def test_definitions_validate_accepts_the_project(installed: Installation) -> None:
    done = dagster(installed, "definitions", "validate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All code locations passed validation" in done.stdout


@pytest.mark.long
def test_one_stream_is_materialized_over_a_range_in_one_run(installed: Installation) -> None:
    done = materialize(installed, "key:raw/meta_ads/insights_campaign", "--partition-range", "2026-05-01...2026-05-02")
    assert done.returncode == 0, done.stderr[-4_000:]
    ledger = "select stream, count(distinct run_id) as runs from dataflow.sync_ledger where sync_window = %s group by 1"
    assert installed.rows(ledger, "2026-05-01...2026-05-02") == [{"stream": "insights_campaign", "runs": 1}]
    assert done.stderr.count("ASSET_CHECK_EVALUATION") == 2


@pytest.mark.long
def test_a_single_partition_can_be_named(everything: Completed, installed: Installation) -> None:
    done = materialize(installed, "*", "--partition", "2026-05-11")
    assert done.returncode == 0, done.stderr[-4_000:]
    assert "ASSET_MATERIALIZATION" in done.stderr


@pytest.mark.long
def test_a_failed_account_makes_the_command_fail_and_is_named(everything: Completed, installed: Installation) -> None:
    account = installed.value("select min(account_id) from raw_meta_ads.ad_accounts")
    installed.sandbox.fault("revoked_account", account=account, endpoint="insights")
    try:
        done = materialize(installed, "key:raw/meta_ads/insights_campaign", "--partition-range", RANGE)
    finally:
        installed.sandbox.clear_faults()
    assert done.returncode != 0
    assert f"account {account}" in done.stderr
    assert "1 of 3 accounts failed; 2 landed and are kept" in done.stderr
