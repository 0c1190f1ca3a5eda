"""Requests saved: `python -m benchmarks.requests [--json]`. All vendors' sandbox, real syncs; no time is measured.

A hundred campaigns in one account of each ad platform, 20 customers a day in HubSpot and Stripe, 330 days of history.
Requests are as the sandbox counts them, listings of accounts included, tokens not.

Keys of --json: per vendor `campaigns` (100 campaigns with a day's figures: requests and rows; ad platforms only),
`full` (everything anew), `daily` (what is listed once a day and the days that are read again), `hourly` (24 hours of
asking what is newer and reading that: requests of all) and `ratio` (of an hour on average to `full`); and under `all`
the sums of all vendors.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from dataflow_assets.automation.sensors import find_newer
from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector, Kind
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
HISTORY_DAYS = 330  # the world is younger than a year, when the sandbox's LinkedIn wants a new login
WORLD = WorldConfig(
    start=date(2025, 5, 1),
    days=400,
    meta_accounts=1,
    google_accounts=1,
    linkedin_accounts=1,
    campaigns_per_account=100,
    ad_sets_per_campaign=1,
    ads_per_ad_set=2,
    customers_per_day=20,
)
# The streams that hold an account's campaigns and their figures.
OF_CAMPAIGNS = {
    "google_ads": ("campaigns", "campaign_performance"),
    "meta_ads": ("campaigns", "insights_campaign"),
    "linkedin_ads": ("campaigns", "analytics_campaign"),
}

Accounts = Mapping[str, tuple[str, ...]]  # by stream


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
    on: Platform, vendor: Connector, accounts: Accounts, window: DayWindow | None, *, full: bool = False
) -> int:
    """One run over some streams, and of some accounts each (none named: all of them). Rows read."""
    rows, run_id = 0, uuid4().hex
    for name, only in accounts.items():
        async with open_sync(on, vendor, run_id=run_id, only_accounts=only) as opened:
            stream = opened.connector.stream(name)
            report = await opened.run(stream, window if stream.kind is Kind.REPORT else None, full=full)
            if report.failed:
                raise SystemExit(f"{vendor.name} {name}: {report.failed[0].error}")
            rows += report.counts.read
    return rows


def counted(sandbox: RunningSandbox) -> int:
    """Requests since this was asked last, without those for tokens: no budget counts them."""
    told = sandbox.requests()
    sandbox.reset_requests()
    tokens: int = sum(
        n for calls in told["by_endpoint"].values() for name, n in calls.items() if name.endswith("token")
    )
    return int(told["total"]) - tokens


async def of_vendor(on: Platform, vendor: Connector, sandbox: RunningSandbox) -> dict[str, Any]:
    """The figures of one vendor."""
    sandbox.clock.set(NOW)
    counted(sandbox)
    found: dict[str, Any] = {}
    today = NOW.date()
    everything: Accounts = {stream.name: () for stream in vendor.streams}
    if vendor.name in OF_CAMPAIGNS:
        streams: Accounts = dict.fromkeys(OF_CAMPAIGNS[vendor.name], ())
        rows = await sync(on, vendor, streams, DayWindow(today - ONE_DAY, today), full=True)
        found["campaigns"] = {"requests": counted(sandbox), "rows": rows}
    await sync(on, vendor, everything, DayWindow(today - timedelta(days=HISTORY_DAYS), today), full=True)
    found["full"] = counted(sandbox)
    sandbox.clock.advance(86_400)
    await sync(on, vendor, everything, None)
    found["daily"] = counted(sandbox)
    for _ in range(HOURS):
        sandbox.clock.advance(3_600)
        newer = await find_newer(on, vendor)
        await sync(on, vendor, newer.accounts, newer.days)
    found["hourly"] = counted(sandbox)
    found["ratio"] = found["hourly"] / HOURS / found["full"]
    return found


async def measure(on: Platform, sandbox: RunningSandbox) -> dict[str, dict[str, Any]]:
    """All figures, vendor by vendor, each from the same moment."""
    found = {vendor.name: await of_vendor(on, vendor, sandbox) for vendor in all_connectors()}
    total: dict[str, Any] = {key: sum(one[key] for one in found.values()) for key in ("full", "daily", "hourly")}
    return found | {"all": total | {"ratio": total["hourly"] / HOURS / total["full"]}}


def show(found: dict[str, dict[str, Any]]) -> str:
    """One table of Markdown."""
    lines = [
        "| | 100 campaigns, a day | full | daily | 24 hours | an hour of a full sync |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for vendor, figures in found.items():
        one = figures.get("campaigns")
        campaigns = f"{one['requests']} requests, {one['rows']} rows" if one else ""
        cells = [
            vendor,
            campaigns,
            *(str(figures[key]) for key in ("full", "daily", "hourly")),
            f"{figures['ratio']:.1%}",
        ]
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
