"""`dataflow demo`: the main job on the sandbox: everything, what changed a day later, what is newer an hour later.

Another demo goes on a day later.
"""

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import httpx

from dataflow_assets.cli.output import console
from dataflow_assets.cli.runs import RunOutcome
from dataflow_assets.cli.summary import print_campaigns, print_channels, print_outcome, requests_of
from dataflow_assets.cli.sync import sync_newer, sync_now
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.resources.watermarks import read_watermarks

# The sandbox's world begins this far in the past, and every demo moves it on by a day.
WORLD_BEGINS_DAYS_AGO = 8

_FIRST_SYNC: LiteralString = """
    select sum(requests)::bigint as requests,
        sum(requests) filter (where stream = any(%(reports)s))::bigint as report_requests,
        sum(rows_read) filter (where stream = any(%(reports)s))::bigint as campaign_days
    from dataflow.sync_ledger
    where run_id = (select run_id from dataflow.sync_ledger order by recorded_at limit 1)
"""
_CAMPAIGN_REPORTS = ["campaign_performance", "insights_campaign", "analytics_campaign"]


def run_demo() -> int:
    """Run the demo. Returns the exit code."""
    started = time.monotonic()
    platform = get_platform()
    for name, given in (("DATABASE_URL", platform.settings.database_url), ("REDIS_URL", platform.settings.redis_url)):
        if given is not None:
            console.print(f"{name} is set: the demo uses that server.")
    if platform.sandbox_url is None:
        console.print("The demo runs on the sandbox, and a vendor's credentials are set. Use: dataflow sync")
        return 2
    first = None
    if _is_empty(platform):
        # So that there is a day to move on to: partitions end with the real day.
        begins = datetime.now(UTC) - timedelta(days=WORLD_BEGINS_DAYS_AGO)
        _set_clock(platform, {"now": begins.replace(microsecond=0).isoformat(), "speed": 0})
        console.print(f"[bold]1. First sync[/] of the sandbox, world time {_world_time(platform):%Y-%m-%d %H:%M}Z")
        first = sync_now(platform)
        print_outcome(platform, first)
    else:
        console.print("[bold]1. First sync[/]: an earlier demo has done it (make clean forgets it)")
    now = _move_on(platform, timedelta(days=1))
    console.print(f"\n[bold]2. The world moves on[/] to {now:%Y-%m-%d %H:%M}Z; the vendor corrects some past days")
    second = sync_now(platform)
    print_outcome(platform, second)
    third, hourly = _an_hour_later(platform) if first else (None, None)
    console.print()
    print_campaigns(platform)
    console.print()
    print_channels(platform)
    console.print()
    _print_savings(platform, {"the daily sync": requests_of(platform, second.run_id), "the hourly one": hourly})
    _print_where_to_look(platform, time.monotonic() - started)
    return 0 if all(run.success for run in (first, second, third) if run) else 1


def _an_hour_later(platform: Platform) -> tuple[RunOutcome | None, int]:
    """How the run of what is newer ended, if there was anything, and the requests for it and for asking."""
    hour = _move_on(platform, timedelta(hours=1))
    console.print(f"\n[bold]3. An hour later[/], {hour:%Y-%m-%d %H:%M}Z: each vendor is asked what is newer")
    outcome, asked = sync_newer(platform)
    if outcome is None:
        return None, asked
    print_outcome(platform, outcome, only_read=True)
    return outcome, asked + requests_of(platform, outcome.run_id)


def _is_empty(platform: Platform) -> bool:
    ensure_schema(platform)
    with platform.warehouse.connect() as connection:
        return not read_watermarks(connection)


def _set_clock(platform: Platform, change: dict[str, object]) -> None:
    httpx.post(f"{platform.sandbox_url}/_sandbox/clock", json=change).raise_for_status()


def _world_time(platform: Platform) -> datetime:
    answer = httpx.get(f"{platform.sandbox_url}/_sandbox/clock").raise_for_status()
    return datetime.fromisoformat(answer.json()["now"])


def _move_on(platform: Platform, step: timedelta) -> datetime:
    # Never past the real day: its partition would not exist.
    seconds = max(0, int(min(step, datetime.now(UTC) - _world_time(platform)).total_seconds()))
    _set_clock(platform, {"advance_seconds": seconds})
    return _world_time(platform)


def _print_savings(platform: Platform, used: Mapping[str, int | None]) -> None:
    with platform.warehouse.connect() as connection:
        row = connection.execute(_FIRST_SYNC, {"reports": _CAMPAIGN_REPORTS}).fetchone() or {}
    full = row.get("requests") or 0
    if days := row.get("campaign_days"):
        console.print(f"Requests: {row['report_requests']} for the figures of {days:,} days of campaigns.")
    for what, requests in used.items():
        if full and requests is not None:
            saved = 100 * (full - requests) / full
            console.print(f"Requests: {full} for the full first sync, {requests} for {what}: {saved:.0f} % saved.")


def _print_where_to_look(platform: Platform, seconds: float) -> None:
    console.print(f"\nDone in {seconds:.0f} s. All figures are from the [bold]sandbox[/].")
    console.print("  make dev                                  Dagster UI with lineage, checks and history")
    console.print("  .venv/bin/dataflow status                 how far every number is known and settled")
    console.print("  .venv/bin/dataflow backfill meta_ads --from 2026-01-01 --to 2026-01-31 --dry-run", highlight=False)
    console.print(f"  data: {platform.warehouse.address}, files: {platform.settings.state_dir}", highlight=False)
