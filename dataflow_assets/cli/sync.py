"""`dataflow sync`: everything up to now, in one run."""

import asyncio
import json
import sys

import dagster as dg

from dataflow_assets.automation.jobs import ONLY_TOUCHED
from dataflow_assets.automation.sensors import find_newer, newer_assets, newer_ops, running_day
from dataflow_assets.automation.windows import sync_window
from dataflow_assets.cli.instance import use_instance
from dataflow_assets.cli.progress import progress
from dataflow_assets.cli.runs import RunOutcome, run_job
from dataflow_assets.cli.summary import print_outcome
from dataflow_assets.connectors import active_connectors
from dataflow_assets.raw.factory import op_name
from dataflow_assets.resources.failures import VendorError
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.windows import DayWindow


def run_sync(*, accounts: list[str], full: bool, newer: bool, as_json: bool) -> int:
    """Run a sync and print how it ended. Returns the exit code."""
    platform = get_platform()
    if newer:
        outcome, asked = sync_newer(platform)
        if outcome is None:
            sys.stderr.write(f"Nothing is newer than what is known; asking took {asked} requests.\n")
            return 0
    else:
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


def sync_newer(platform: Platform) -> tuple[RunOutcome | None, int]:
    """Ask each vendor what is newer than the watermarks, and sync exactly that.

    Returns how the run ended, None when there was nothing to do, and how many requests the asking took.
    """
    selection: list[dg.AssetKey] = []
    windows = [running_day()]
    ops = dict(ONLY_TOUCHED["ops"])
    asked = 0
    for connector in active_connectors(platform.settings):
        try:
            newer = asyncio.run(find_newer(platform, connector))
        except VendorError as error:
            _complain(str(error))
            continue
        selection += newer_assets(connector, newer)
        ops |= newer_ops(connector, newer)
        windows += [newer.days] if newer.days else []
        asked += newer.requests
    if not selection:
        return None, asked
    window = DayWindow(min(w.start for w in windows), max(w.end for w in windows))
    use_instance(platform)
    from dataflow_assets.definitions import defs  # noqa: PLC0415  takes seconds, and must see the instance

    downstream = dg.AssetSelection.all() - dg.AssetSelection.key_prefixes("raw")
    carried = downstream.resolve(defs.resolve_asset_graph())
    with progress(platform, "sync of what is newer"):
        outcome = run_job(platform, "sync", window=window, selection=[*selection, *carried], run_config={"ops": ops})
    return outcome, asked


def _complain(text: str) -> None:
    sys.stderr.write(f"{text}\n")
