"""`dataflow backfill`: what it will do, what it refuses, and that it disturbs no live sync."""

from datetime import UTC, datetime, timedelta

import pytest
from dataflow_command import Dataflow
from installation import Installation

from dataflow_assets.raw.session import ensure_schema

DAYS = ("--from", "2026-05-01", "--to", "2026-05-03")
STREAM = "meta_ads/insights_campaign"
TEN_DAYS_FOR_TWENTY_REQUESTS = """
    insert into dataflow.sync_ledger (
        sync_id, connector, account_id, stream, sync_window, window_start, window_end, outcome, fetch_started_at,
        requests
    ) values (
        gen_random_uuid(), 'meta_ads', %s, 'insights_campaign', '', '2026-04-01', '2026-04-11', 'published', now(), 20
    )
"""


def prepared(installed: Installation) -> None:
    with installed.here() as platform:
        ensure_schema(platform)


def assert_nothing_ran(installed: Installation) -> None:
    assert installed.value("select count(*) from dataflow.sync_ledger") == 0
    assert installed.value("select to_regclass('dagster.runs')") is None


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-05-03", "2026-05-01", "--from 2026-05-03 lies after --to 2026-05-01."),
        (
            "2023-12-31",
            "2024-01-02",
            "2023-12-31 lies before the first partition, 2024-01-01. DATAFLOW_PARTITIONS_START",
        ),
        ("2026-05-01", "2999-01-01", "2999-01-01 is in the future: the newest partition is "),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(dataflow: Dataflow, start: str, end: str, words: str) -> None:
    answer = dataflow("backfill", "meta_ads", "--from", start, "--to", end)
    assert answer.code == 2
    assert words in answer.err
    assert answer.out == ""


def test_today_is_the_last_day_that_can_be_asked_for(dataflow: Dataflow) -> None:
    today = datetime.now(UTC).date()
    assert dataflow("backfill", STREAM, "--from", f"{today}", "--to", f"{today}", "--dry-run").code == 0
    tomorrow = today + timedelta(days=1)
    assert dataflow("backfill", STREAM, "--from", f"{today}", "--to", f"{tomorrow}", "--dry-run").code == 2


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ("no_such_vendor", "Nothing is called 'no_such_vendor'. Known: meta_ads, meta_ads/insights_ad,"),
        ("meta_ads/no_such_stream", "Nothing is called 'meta_ads/no_such_stream'."),
        ("key:raw/meta_ads/campaigns", "holds no table by day. What has no past days is listed whole"),
    ],
)
def test_a_selection_that_cannot_be_filled_is_refused(
    dataflow: Dataflow, installed: Installation, selection: str, words: str
) -> None:
    answer = dataflow("backfill", selection, *DAYS, "--no-downstream")
    assert answer.code == 2
    assert words in answer.err
    assert_nothing_ran(installed)


def test_what_a_person_types_shows_no_warnings_of_libraries(installed: Installation) -> None:
    typed = installed.dataflow("backfill", STREAM, *DAYS, "--dry-run", PYTHONWARNINGS="")  # make switches them off
    assert (typed.returncode, typed.stderr) == (0, "")
    assert typed.stdout.startswith("Would build 3 partitions")


def test_a_dry_run_tells_partitions_assets_and_cost_and_runs_nothing(
    dataflow: Dataflow, installed: Installation
) -> None:
    answer = dataflow("backfill", STREAM, *DAYS, "--dry-run", "--json")
    assert answer.code == 0
    assert answer.json == {
        "from": "2026-05-01",
        "to": "2026-05-03",
        "partitions": 3,
        "assets": [
            "marts/campaign_performance_with_status",
            "marts/fct_ad_performance_daily",
            "marts/fct_blended_efficiency_daily",
            "marts/fct_campaign_performance",
            "marts/fct_conversions_daily",
            "marts/fct_funnel_daily",
            *(
                f"metrics/{bucket}_{family}_metrics"
                for bucket in ("daily", "monthly")
                for family in ("campaign", "channel", "conversion", "platform")
            ),
            "metrics/trailing_campaign_metrics",
            *(f"metrics/weekly_{family}_metrics" for family in ("campaign", "channel", "conversion", "platform")),
            "raw/meta_ads/insights_campaign",
        ],
        "expected_requests": None,
    }
    text = dataflow("backfill", STREAM, *DAYS, "--dry-run").out
    assert "Would build 3 partitions, 2026-05-01...2026-05-03, of 20 assets in one run:" in text
    assert "Requests: unknown, nothing has been synced yet." in text
    assert_nothing_ran(installed)


def test_without_downstream_only_what_was_named_is_built(dataflow: Dataflow) -> None:
    answer = dataflow("backfill", "meta_ads", *DAYS, "--dry-run", "--no-downstream", "--json")
    assert answer.json["assets"] == [
        f"raw/meta_ads/{name}" for name in ("insights_ad", "insights_ad_set", "insights_campaign")
    ]


def test_the_cost_is_judged_by_past_syncs(dataflow: Dataflow, installed: Installation) -> None:
    prepared(installed)
    for account in ("1", "2"):
        installed.rows(TEN_DAYS_FOR_TWENTY_REQUESTS, account)
    answer = dataflow("backfill", STREAM, *DAYS, "--dry-run", "--json")
    # Two requests a day and account, two accounts, three days.
    assert answer.json["expected_requests"] == 12
    assert "About 12 requests" in dataflow("backfill", STREAM, *DAYS, "--dry-run").out


def watermarks(installed: Installation) -> list[dict[str, object]]:
    return installed.rows("select * from dataflow.watermarks order by account_id, stream")


def test_law_3_a_backfill_of_past_days_lands_them_and_leaves_the_watermark(
    dataflow: Dataflow, installed: Installation
) -> None:
    prepared(installed)
    accounts = [row["account_id"] for row in installed.sandbox.truth("meta_ads", "ad_accounts")]
    for account in accounts:
        installed.rows(
            """
            insert into dataflow.watermarks (connector, account_id, stream, complete_from, watermark)
            values ('meta_ads', %s, 'insights_campaign', '2026-05-10 00:00Z', '2026-05-20 00:00Z')
            """,
            account,
        )
    known = [row["watermark"] for row in watermarks(installed)]
    answer = dataflow("backfill", STREAM, *DAYS, "--no-downstream", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["success"] is True
    assert answer.json["checks_passed"] == 2
    assert f"backfill {DAYS[1]}...{DAYS[3]}" in answer.err, "progress goes to standard error"
    days = installed.rows("select distinct date_start::text as day from raw_meta_ads.insights_campaign order by 1")
    assert [row["day"] for row in days] == ["2026-05-01", "2026-05-02", "2026-05-03"]
    assert [row["watermark"] for row in watermarks(installed)] == known
    ledger = installed.rows("select distinct run_id, sync_window from dataflow.sync_ledger")
    assert ledger == [{"run_id": answer.json["run_id"], "sync_window": "2026-05-01...2026-05-03"}]


def test_one_account_can_be_named(dataflow: Dataflow, installed: Installation) -> None:
    first, *_ = (row["account_id"] for row in installed.sandbox.truth("meta_ads", "ad_accounts"))
    answer = dataflow("backfill", STREAM, *DAYS, "--no-downstream", "--account", first, "--json")
    assert answer.code == 0, answer.err
    found = installed.rows("select distinct account_id from raw_meta_ads.insights_campaign")
    assert [row["account_id"] for row in found] == [first]


def test_law_9_a_failed_account_ends_with_1_and_is_named_and_the_other_landed(
    dataflow: Dataflow, installed: Installation
) -> None:
    first, second = (row["account_id"] for row in installed.sandbox.truth("meta_ads", "ad_accounts"))
    installed.sandbox.fault("revoked_account", account=first, endpoint="insights")
    answer = dataflow("backfill", STREAM, *DAYS, "--no-downstream", "--json")
    assert answer.code == 1
    (failure,) = answer.json["failures"]
    assert f"account {first}" in failure
    assert "Traceback" not in answer.err
    found = installed.rows("select distinct account_id from raw_meta_ads.insights_campaign")
    assert [row["account_id"] for row in found] == [second]


def test_law_7_without_redis_it_goes_on_at_a_share_of_the_rate(dataflow: Dataflow, installed: Installation) -> None:
    password = "pw-5f1c9e"
    answer = dataflow("backfill", STREAM, *DAYS, "--no-downstream", REDIS_URL=f"redis://:{password}@127.0.0.1:9/0")
    assert answer.code == 0, answer.err
    assert installed.value("select count(distinct date_start) from raw_meta_ads.insights_campaign") == 3
    assert password not in answer.out + answer.err
