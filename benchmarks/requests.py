"""Requests saved: `python -m benchmarks.requests [--json]`. All vendors' sandbox, real syncs; no time is measured.

Keys of --json: per vendor `campaigns` (100 campaigns of one account with a day's figures: requests and rows; ad
platforms only) and `hourly` (a sync an hour for a day: its requests, those of as many full syncs, and the ratio).
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.embedded import Endpoints, acquire, erase
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import Settings
from dataflow_assets.windows import ONE_DAY, DayWindow

NOW = datetime(2026, 4, 10, 0, 30, tzinfo=UTC)
HOURS = 24
HISTORY_DAYS = 30
WORLD = WorldConfig(
    start=date(2026, 1, 1),
    days=150,
    meta_accounts=1,
    google_accounts=1,
    linkedin_accounts=1,
    campaigns_per_account=100,
    ad_sets_per_campaign=1,
    ads_per_ad_set=2,
    customers_per_day=10,
)
# The streams that hold an account's campaigns and their figures.
OF_CAMPAIGNS = {
    "google_ads": ("campaigns", "campaign_performance"),
    "meta_ads": ("campaigns", "insights_campaign"),
    "linkedin_ads": ("campaigns", "analytics_campaign"),
}


def platform(servers: Endpoints, sandbox: RunningSandbox, folder: Path) -> Platform:
    """Every vendor on the sandbox, with no ceiling of our own: waiting saves no request."""
    plain, changed = Settings(state_dir=folder), {}
    for name, vendor in plain.vendors.items():
        fields = type(vendor).model_fields
        wide = {field: 10**8 for field in fields if "requests_per" in field or "searches_per" in field}
        history = {"initial_history_days": HISTORY_DAYS} if "initial_history_days" in fields else {}
        changed[name] = vendor.model_copy(update=wide | history)
    return Platform(
        settings=plain.model_copy(update=changed).on_sandbox(sandbox.url),
        warehouse=Warehouse(servers.database_url),
        redis_url=servers.redis_url,
        mode="sandbox",
        sandbox_url=sandbox.url,
    )


async def sync(
    on: Platform, vendor: Connector, streams: Sequence[Stream], window: DayWindow | None, *, full: bool = False
) -> tuple[int, int]:
    """Requests and rows of a sync of some streams: reports over a window, the others from the watermark on, or full."""
    requests = rows = 0
    async with open_sync(on, vendor) as opened:
        for stream in streams:
            report = await opened.run(stream, window if stream.kind is Kind.REPORT else None, full=full)
            if report.failed:
                raise SystemExit(f"{vendor.name} {stream.name}: {report.failed[0].error}")
            requests += report.tally.requests
            rows += report.counts.read
    return requests, rows


async def of_campaigns(on: Platform, vendor: Connector, today: date) -> dict[str, int]:
    """A day of 100 campaigns: names and figures."""
    streams = [vendor.stream(name) for name in OF_CAMPAIGNS[vendor.name]]
    requests, rows = await sync(on, vendor, streams, DayWindow(today - ONE_DAY, today), full=True)
    return {"requests": requests, "rows": rows}


async def hourly(on: Platform, vendor: Connector, sandbox: RunningSandbox) -> dict[str, float]:
    """A sync an hour, of the running report day and of what changed, against as many full ones."""
    today = sandbox.clock.now().date()
    history = DayWindow(today - timedelta(days=HISTORY_DAYS), today + ONE_DAY)
    full, _ = await sync(on, vendor, vendor.streams, history, full=True)
    # Once more: what an hourly sync goes on from is a synced account, not the end of a first load.
    await sync(on, vendor, vendor.streams, DayWindow(today, today + ONE_DAY))
    used = 0
    for _ in range(HOURS):
        sandbox.clock.advance(3_600)
        now = sandbox.clock.now().date()
        used += (await sync(on, vendor, vendor.streams, DayWindow(now, now + ONE_DAY)))[0]
    return {"hourly": used, "full": full, "full_each_hour": full * HOURS, "ratio": used / (full * HOURS)}


async def measure(on: Platform, sandbox: RunningSandbox) -> dict[str, dict[str, Any]]:
    """All figures, vendor by vendor, each from the same moment."""
    found: dict[str, dict[str, Any]] = {}
    for vendor in all_connectors():
        sandbox.clock.set(NOW)
        found[vendor.name] = {}
        if vendor.name in OF_CAMPAIGNS:
            found[vendor.name]["campaigns"] = await of_campaigns(on, vendor, NOW.date())
        found[vendor.name]["hourly"] = await hourly(on, vendor, sandbox)
    return found


def show(found: dict[str, dict[str, Any]]) -> str:
    """One table of Markdown."""
    lines = [
        "| | 100 campaigns, a day | 24 hourly syncs | 24 full syncs | ratio |",
        "|---|--:|--:|--:|--:|",
    ]
    for vendor, figures in found.items():
        one, hours = figures.get("campaigns"), figures["hourly"]
        campaigns = f"{one['requests']} requests, {one['rows']} rows" if one else ""
        cells = [vendor, campaigns, str(hours["hourly"]), str(hours["full_each_hour"]), f"{hours['ratio']:.1%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure and print. Exit code 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.requests", description=__doc__)
    parser.add_argument("--json", action="store_true", help="nothing but the figures")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        state = Path(folder) / "servers"
        with run_sandbox(WORLD, now=NOW) as sandbox, acquire(state) as lease:
            on = platform(lease.endpoints, sandbox, Path(folder))
            ensure_schema(on)
            found = asyncio.run(measure(on, sandbox))
        erase(state)
    print(json.dumps(found, indent=2) if options.json else show(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
