"""Commands that run the whole pipeline or stay up, as processes of their own."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from dataflow_command import Dataflow
from installation import Installation

from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import PROJECT_ROOT

PATIENCE = 180.0
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def eventually(look: Callable[[], object], what: str) -> None:
    give_up_at = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < give_up_at, f"no {what} in {PATIENCE:.0f} s"
        time.sleep(0.2)


@dataclass(frozen=True)
class Started:
    """A command that runs, and what it has written so far."""

    process: subprocess.Popen[str]
    output: Path

    @property
    def text(self) -> str:
        return self.output.read_text("utf-8")


@contextmanager
def started(installed: Installation, *args: str) -> Iterator[Started]:
    installed.state_dir.mkdir(exist_ok=True)
    output = installed.state_dir / f"{args[0]}.out"
    with output.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "dataflow_assets.cli.main", *args],
            env=installed.environment(PYTHONUNBUFFERED="1"),
            cwd=PROJECT_ROOT,
            stdout=file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield Started(process, output)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def world() -> Iterator[RunningSandbox]:
    """A sandbox of the test's own: commands here move its clock."""
    with run_sandbox(WorldConfig(meta_accounts=2, campaigns_per_account=2), now=NOON) as sandbox:
        yield sandbox


@pytest.fixture
def short(installed: Installation) -> Installation:
    installed.settings["DATAFLOW_META_ADS__INITIAL_HISTORY_DAYS"] = "35"
    return installed


def test_sync_prints_json_and_nothing_else_and_progress_to_standard_error(short: Installation) -> None:
    done = short.dataflow("sync", "--json")
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert (outcome["success"], outcome["checks_failed"], outcome["failures"]) == (True, [], [])
    assert done.stderr.startswith("sync 2026-04-15...2026-05-20")


def test_law_2_an_interrupted_sync_says_so_keeps_what_is_committed_and_goes_on(short: Installation) -> None:
    short.sandbox.fault("slow", endpoint="insights", seconds=2.0)
    landed = "select to_regclass('dataflow.sync_ledger') is not null and exists (select from dataflow.watermarks)"
    with started(short, "sync") as sync:

        def begun() -> bool:
            assert sync.process.poll() is None, sync.text
            return _ask(short, landed)

        eventually(begun, "slice")
        sync.process.send_signal(signal.SIGINT)
        code = sync.process.wait(60)
    assert code == 130, sync.text
    assert "Interrupted. What was committed is kept; run the command again to go on." in sync.text
    assert "Traceback" not in sync.text
    short.sandbox.clear_faults()
    assert short.dataflow("sync").returncode == 0
    assert short.rows("select * from dataflow.touched_days") == []


def _ask(installed: Installation, query: str) -> bool:
    try:
        return bool(installed.value(query))
    except Exception:  # noqa: BLE001  the table is not there yet
        return False


def test_demo_runs_twice_and_says_what_the_second_run_saved(short: Installation) -> None:
    done = short.dataflow("demo", timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1. First sync of the sandbox" in done.stdout
    assert "2. The world moves on" in done.stdout
    assert "3. An hour later" in done.stdout
    assert set(re.findall(r"checks: \d+ passed, (\d+) failed", done.stdout)) == {"0"}
    assert "Campaigns, last 28 days, account currency" in done.stdout
    assert "Channels, last 28 days" in done.stdout
    saved = re.findall(r"Requests: (\d+) for the full first sync, (\d+) for (.*): -?\d+ % saved", done.stdout)
    assert [what for _, _, what in saved] == ["the daily sync", "the hourly one"]
    full, daily, hourly = (int(saved[0][0]), int(saved[0][1]), int(saved[1][1]))
    assert 0 < hourly < daily < full
    assert "All figures are from the sandbox." in done.stdout

    again = short.dataflow("demo", timeout=600)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "an earlier demo has done it" in again.stdout
    assert "3. An hour later" not in again.stdout
    assert re.search(rf"Requests: {full} for the full first sync, \d+ for the daily sync: \d+ % saved", again.stdout)


def processes_of(state_dir: Path) -> list[int]:
    """Processes that were started for an installation."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"DATAFLOW_STATE_DIR={state_dir}".encode() in environment.read_bytes().split(b"\0"):
                found.append(int(environment.parent.name))
        except OSError:
            continue  # gone meanwhile, or not ours
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="LOOKS AT /proc: `dataflow dev` IS NOT TESTED HERE")
def test_dev_shows_the_ui_until_ctrl_c_and_leaves_no_process(short: Installation) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with started(short, "dev", "--port", str(port)) as dev:

        def ready() -> bool:
            assert dev.process.poll() is None, dev.text
            return "Ctrl-C stops everything." in dev.text

        eventually(ready, "word that the UI is up")
        assert httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=20).is_success
        assert len(processes_of(short.state_dir)) > 2
        dev.process.send_signal(signal.SIGINT)
        assert dev.process.wait(60) == 0
    assert f"http://127.0.0.1:{port}" in dev.text
    assert f"{short.sandbox.url} (all figures are made up)" in dev.text
    eventually(lambda: not processes_of(short.state_dir), "end of all its processes")


def test_a_backfill_with_everything_below_it_builds_every_day_of_the_range(
    short: Installation, dataflow: Dataflow
) -> None:
    # The views and dimensions are built by a sync; a backfill builds tables by day.
    assert dataflow("sync").code == 0
    short.rows("update marts.fct_campaign_performance set spend = 0 where date_day = '2026-05-02'")
    answer = dataflow("backfill", "meta_ads", "--from", "2026-05-01", "--to", "2026-05-03", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["checks_failed"] == []
    assert short.value("select sum(spend) > 0 from marts.fct_campaign_performance where date_day = '2026-05-02'")
    assert short.value("select sum(spend) > 0 from metrics.daily_channel_metrics where day = '2026-05-02'")
