"""What happens by itself while Dagster's daemon runs: changed days are carried on, and people hear of trouble, once."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from dagster_dev import FINISHED, DagsterDev, dagster_dev, eventually
from installation import Installation, run
from slack_receiver import Slack, slack_receiver

from dataflow_assets.connectors import connector
from dataflow_assets.connectors.base import Kind
from dataflow_assets.partitions import range_tags
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.windows import DayWindow

META = connector("meta_ads")
THREE_DAYS = DayWindow(date(2026, 5, 17), date(2026, 5, 20))
HOOK_SECRET = "T0DATAFLOW/B0DATAFLOW/hook-secret-7d1f"
RETRY_AFTER_SECONDS = 2
ALERTS = ("alert_on_failed_run", "alert_on_failed_check")
# A run is a process of its own, and Dagster takes a while to begin.
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Running:
    """Dagster over an installation that has raw rows of three days, which nothing has carried on yet."""

    installed: Installation
    dev: DagsterDev
    slack: Slack


async def land(platform: Platform, window: DayWindow) -> None:
    """Raw rows without Dagster; their days wait to be carried on."""
    async with open_sync(platform, META) as sync:
        for stream in META.streams:
            report = await sync.run(stream, window if stream.kind is Kind.REPORT else None)
            assert not report.failed


@pytest.fixture(scope="module")
def running(installed: Installation) -> Iterator[Running]:
    with slack_receiver(HOOK_SECRET) as slack:
        installed.settings["DATAFLOW_SLACK_WEBHOOK_URL"] = slack.url
        with installed.here() as platform:
            ensure_schema(platform)
            asyncio.run(land(platform, THREE_DAYS))
        with dagster_dev(installed) as dev:
            yield Running(installed, dev, slack)


@dataclass(frozen=True)
class Trouble:
    """A run in which one account failed, and a green run in which a check failed."""

    account: str
    failed_run: str
    failed_check: str
    statuses: tuple[str, str]


@pytest.fixture(scope="module")
def trouble(running: Running) -> Trouble:
    installed, dev, slack = running.installed, running.dev, running.slack
    slack.answers.append((429, {"retry-after": f"{RETRY_AFTER_SECONDS}"}))
    account = installed.value("select min(account_id) from raw_meta_ads.ad_accounts")
    installed.sandbox.fault("revoked_account", account=account, endpoint="insights")
    installed.rows("update raw_meta_ads.creatives set id = '' where id = (select min(id) from raw_meta_ads.creatives)")
    failed_run = dev.launch(assets=["raw/meta_ads/insights_ad"], tags=range_tags(THREE_DAYS))
    checks = [("raw/meta_ads/creatives", name) for name in ("contract", "row_count")]
    failed_check = dev.launch(assets=[], checks=checks)
    statuses = (dev.wait_for_run(failed_run), dev.wait_for_run(failed_check))
    installed.sandbox.clear_faults()
    eventually(lambda: len(slack.messages) >= 2, "word of the failed run and of the failed check")
    # What is told twice is told again at one of the next looks.
    before = {name: dev.ticks(name) for name in ALERTS}
    eventually(lambda: all(dev.ticks(name) >= before[name] + 2 for name in ALERTS), "further look of the alert sensors")
    return Trouble(account, failed_run, failed_check, statuses)


@pytest.fixture(scope="module")
def carried(running: Running) -> str:
    """How the run ended that carried the three days on."""

    def ended() -> str | None:
        statuses = [run["status"] for run in running.dev.runs(dataflow__sensor="touched_days")]
        return next((status for status in statuses if status in FINISHED), None)

    status: str = eventually(ended, "run asked for by the sensor touched_days")
    return status


def told_of(running: Running, run_id: str) -> list[str]:
    return [message for message in running.slack.messages if run_id in message]


def test_a_failed_run_is_told_once_with_the_account_and_what_to_do(running: Running, trouble: Trouble) -> None:
    assert trouble.statuses[0] == "FAILURE"
    (message,) = told_of(running, trouble.failed_run)
    title, link, *_ = message.splitlines()
    assert title.startswith("DataFlow (sandbox): ")
    assert link == f"<{running.dev.url}/runs/{trouble.failed_run}|Open the run>"
    assert f"account {trouble.account}" in message
    assert "1 of 3 accounts failed; 2 landed and are kept" in message
    assert "Give the token's user access to the ad account" in message
    assert "Traceback" not in message
    assert len(message) < 1_000


def test_a_failed_check_of_a_green_run_is_told_once(running: Running, trouble: Trouble) -> None:
    assert trouble.statuses[1] == "SUCCESS"
    (message,) = told_of(running, trouble.failed_check)
    assert "*raw/meta_ads/creatives* check contract: id: str_length" in message


def test_slack_is_asked_again_when_it_said_and_not_before(running: Running, trouble: Trouble) -> None:
    del trouble
    (refused, refused_status, refused_body), (taken, status, body) = running.slack.requests[:2]
    assert (refused_status, status) == (429, 200)
    assert taken - refused >= RETRY_AFTER_SECONDS
    assert body == refused_body


def test_changed_days_are_carried_to_the_facts_and_aggregates(running: Running, carried: str) -> None:
    assert carried == "SUCCESS"
    days = running.installed.rows("select distinct day from metrics.daily_channel_metrics order by day")
    assert [row["day"] for row in days] == THREE_DAYS.days
    assert running.installed.rows("select * from dataflow.touched_days") == []


def test_green_runs_tell_nobody(running: Running, trouble: Trouble) -> None:
    assert len(running.slack.messages) == len({trouble.failed_run, trouble.failed_check})


def test_law_13_the_webhooks_address_is_in_no_log_and_no_event(running: Running, trouble: Trouble) -> None:
    del trouble
    assert HOOK_SECRET not in running.dev.log.read_text()
    events = "select count(*) from dagster.event_logs where event like %s"
    assert running.installed.value(events, "%insights_ad%") > 0
    assert running.installed.value(events, f"%{HOOK_SECRET}%") == 0


@pytest.mark.long
def test_new_data_at_the_vendor_is_synced_and_carried_on(running: Running, carried: str) -> None:
    installed, dev = running.installed, running.dev
    assert carried == "SUCCESS"
    before = {run["runId"] for run in dev.runs(dataflow__sensor="touched_days")}
    installed.sandbox.clock.advance(86_400)
    dev.start_sensor("meta_ads_new_data")
    found = eventually(lambda: dev.runs(dataflow__sensor="meta_ads_new_data"), "run for what is new")
    assert dev.wait_for_run(found[0]["runId"]) == "SUCCESS"
    read = installed.rows(
        "select distinct window_start, window_end from dataflow.sync_ledger where run_id = %s and stream ~ '^insights'",
        found[0]["runId"],
    )
    assert read == [{"window_start": date(2026, 5, 20), "window_end": date(2026, 5, 21)}]
    later = eventually(
        lambda: [run for run in dev.runs(dataflow__sensor="touched_days") if run["runId"] not in before],
        "run for the days that changed",
    )
    assert dev.wait_for_run(later[0]["runId"]) == "SUCCESS"
    assert installed.value("select max(day) from metrics.daily_campaign_metrics") == date(2026, 5, 20)


@pytest.mark.long
def test_dagster_job_backfill_builds_every_partition(running: Running) -> None:
    installed, dev = running.installed, running.dev
    command = ["job", "backfill", "-w", "workspace.yaml", "-j", "backfill", "--noprompt"]
    command += ["--from", "2026-05-10", "--to", "2026-05-11"]
    done = run(sys.executable, "-m", "dagster", *command, env=dev.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    runs = eventually(
        lambda: r if len(r := [x for x in dev.runs() if x["jobName"] == "backfill"]) == 2 else None, "runs"
    )
    assert {dev.wait_for_run(run["runId"]) for run in runs} == {"SUCCESS"}
    days = installed.rows("select distinct day from metrics.daily_channel_metrics where day < '2026-05-15' order by 1")
    assert [row["day"] for row in days] == [date(2026, 5, 10), date(2026, 5, 11)]
