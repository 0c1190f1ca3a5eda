"""Many processes under a vendor's limit: not one answer is a refusal. An hour of the vendor is a minute here."""

import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from raw_support import BY_AD, World, assert_same, meta_settings

from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_800)]

SCRIPT = Path(__file__).with_name("fleet_process.py")
PROCESSES, RUNS = 8, 3
CALLS_PER_HOUR = 200
BURST = 50  # of the connector's limit for an account: what may come on top of the even rate
SPEED = 60.0
WINDOW = DayWindow(date(2026, 4, 1), date(2026, 4, 21))
SMALL = WorldConfig(meta_accounts=2, campaigns_per_account=2, ad_sets_per_campaign=1, ads_per_ad_set=2)


def test_law_7_eight_processes_with_three_runs_each_are_never_refused_under_200_calls_an_hour(
    make_platform: object, redis_server_url: str
) -> None:
    with run_sandbox(SMALL, now=datetime(2026, 5, 20, 12, tzinfo=UTC), speed=SPEED) as sandbox:
        world = World(make_platform(sandbox.url, meta_ads=meta_settings()), sandbox)  # type: ignore[operator]
        sandbox.limits("meta_ads", insights_calls_per_hour=CALLS_PER_HOUR, management_calls_per_hour=CALLS_PER_HOUR)
        orders = {
            "database_url": world.platform.warehouse.database_url,
            "redis_url": redis_server_url,
            "sandbox_url": sandbox.url,
            "state_dir": str(world.platform.settings.state_dir),
            "first": str(WINDOW.start),
            "end": str(WINDOW.end),
            "runs": str(RUNS),
            "requests_per_hour": str(round((CALLS_PER_HOUR - BURST) * SPEED)),
        }
        command = [sys.executable, str(SCRIPT), json.dumps(orders)]
        fleet = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(PROCESSES)
        ]
        for process in fleet:
            said, complained = process.communicate(timeout=1_500)
            assert process.returncode == 0, complained
            assert json.loads(said) > 0
        counted = sandbox.requests()
        print({name: counted[name] for name in counted if name != "by_endpoint"})  # noqa: T201 (shown when it fails)
        assert counted["throttled"] == 0
        most = max(counted["by_account"]["meta_ads"].values())
        assert most > CALLS_PER_HOUR, "The limit was not put to the test."
        for account in world.accounts():
            assert_same(world.stored(BY_AD, account, WINDOW), world.truth(BY_AD, account, WINDOW))
