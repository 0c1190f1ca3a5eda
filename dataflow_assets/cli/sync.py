"""`dataflow sync`: everything up to now, in one run."""

import asyncio
import json
import sys

from dataflow_assets.automation.jobs import ONLY_TOUCHED
from dataflow_assets.automation.windows import sync_window
from dataflow_assets.cli.progress import progress
from dataflow_assets.cli.runs import RunOutcome, run_job
from dataflow_assets.cli.summary import print_outcome
from dataflow_assets.connectors import active_connectors
from dataflow_assets.raw.factory import op_name
from dataflow_assets.resources.platform import Platform, get_platform


def run_sync(*, accounts: list[str], full: bool, as_json: bool) -> int:
    """Run a sync and print how it ended. Returns the exit code."""
    platform = get_platform()
    outcome = sync_now(platform, accounts=accounts, full=full)
    if as_json:
        sys.stdout.write(json.dumps(vars(outcome)) + "\n")
    else:
        print_outcome(platform, outcome)
    return 0 if outcome.success else 1


def sync_now(platform: Platform, *, accounts: list[str] | None = None, full: bool = False) -> RunOutcome:
    """Run the job `sync` over the days that may still change, showing progress."""
    window = asyncio.run(sync_window(platform, on_trouble=_complain))
    reading = {"accounts": accounts or [], "full": full}
    ops = {op_name(c, s): {"config": reading} for c in active_connectors(platform.settings) for s in c.streams}
    with progress(platform, f"sync {window}"):
        return run_job(platform, "sync", window=window, run_config={"ops": {**ops, **ONLY_TOUCHED["ops"]}})


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
