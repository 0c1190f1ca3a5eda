"""`dataflow demo`: the main job on the sandbox, twice: everything, and a day later only what changed."""

import time
from datetime import UTC, datetime, timedelta

import httpx

from dataflow_assets.cli.runs import RunOutcome
from dataflow_assets.cli.summary import console, print_campaigns, print_outcome, requests_of
from dataflow_assets.cli.sync import sync_now
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.resources.watermarks import read_watermarks

# The sandbox's world begins this far in the past, and every demo moves it on by a day.
WORLD_BEGINS_DAYS_AGO = 8
ONE_DAY_SECONDS = 86_400


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
    now = _move_on(platform)
    console.print(f"\n[bold]2. The world moves on[/] to {now:%Y-%m-%d %H:%M}Z; the vendor corrects some past days")
    second = sync_now(platform)
    print_outcome(platform, second)
    console.print()
    print_campaigns(platform)
    _print_savings(platform, second)
    _print_where_to_look(platform, time.monotonic() - started)
    return 0 if second.success and (first is None or first.success) else 1


def _is_empty(platform: Platform) -> bool:
    ensure_schema(platform)
    with platform.warehouse.connect() as connection:
        return not read_watermarks(connection)


def _set_clock(platform: Platform, change: dict[str, object]) -> None:
    httpx.post(f"{platform.sandbox_url}/_sandbox/clock", json=change).raise_for_status()


def _world_time(platform: Platform) -> datetime:
    answer = httpx.get(f"{platform.sandbox_url}/_sandbox/clock").raise_for_status()
    return datetime.fromisoformat(answer.json()["now"])


def _move_on(platform: Platform) -> datetime:
    # Never past the real day: its partition would not exist.
    step = min(timedelta(seconds=ONE_DAY_SECONDS), datetime.now(UTC) - _world_time(platform))
    seconds = max(0, int(step.total_seconds()))
    _set_clock(platform, {"advance_seconds": seconds})
    return _world_time(platform)


def _print_savings(platform: Platform, second: RunOutcome) -> None:
    with platform.warehouse.connect() as connection:
        row = connection.execute(
            """
            select sum(requests)::bigint as n from dataflow.sync_ledger
            where run_id = (select run_id from dataflow.sync_ledger order by recorded_at limit 1)
            """
        ).fetchone()
    full, changed = int(row["n"]) if row else 0, requests_of(platform, second.run_id)
    if full:
        saved = 100 * (full - changed) / full
        console.print(f"\nRequests: {full} for the full first sync, {changed} for this one: {saved:.0f} % saved.")


def _print_where_to_look(platform: Platform, seconds: float) -> None:
    console.print(f"\nDone in {seconds:.0f} s. All figures are from the [bold]sandbox[/].")
    console.print("  make dev                                  Dagster UI with lineage, checks and history")
    console.print("  .venv/bin/dataflow status                 how far every number is known and settled")
    console.print("  .venv/bin/dataflow backfill meta_ads --from 2026-01-01 --to 2026-01-31 --dry-run", highlight=False)
    console.print(f"  data: {platform.warehouse.address}, files: {platform.settings.state_dir}", highlight=False)
