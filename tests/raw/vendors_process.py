"""A process that syncs every stream of several vendors, to be killed. Says when it begins and when it ends.

Takes orders as JSON: database_url, redis_url, sandbox_url, state_dir, vendors (in this order), first and end (report
days; null: from the watermark on). Out: lines "begin" and "end"; on stderr what failed. The exit code counts failures.
"""

import asyncio
import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import httpx
from raw_support import hasty_clock

from dataflow_assets.connectors import connector
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow

HISTORY_DAYS = 20


def platform(orders: dict[str, Any]) -> Platform:
    """Every vendor on the sandbox. Our own ceilings are tested elsewhere; here they would only make tests wait."""
    plain, changed = Settings(state_dir=Path(orders["state_dir"])), {}
    for name, vendor in plain.vendors.items():
        limits = {field: 10**8 for field in type(vendor).model_fields if "requests_per" in field or "searches" in field}
        history = {"initial_history_days": HISTORY_DAYS} if hasattr(vendor, "initial_history_days") else {}
        changed[name] = vendor.model_copy(update=limits | history)
    return Platform(
        settings=plain.model_copy(update=changed).on_sandbox(orders["sandbox_url"]),
        warehouse=Warehouse(orders["database_url"]),
        redis_url=orders["redis_url"],
        mode="sandbox",
        sandbox_url=orders["sandbox_url"],
    )


async def main(orders: dict[str, Any]) -> int:
    """Sync as ordered. Returns how many accounts of streams failed."""
    window = (
        DayWindow(date.fromisoformat(orders["first"]), date.fromisoformat(orders["end"])) if orders["end"] else None
    )
    at, failed = platform(orders), []
    sys.stdout.write("begin\n")
    sys.stdout.flush()
    for name in orders["vendors"]:
        vendor, transport = connector(name), httpx.AsyncHTTPTransport(verify=False)
        async with open_sync(at, vendor, clock=hasty_clock(), transport=transport) as sync:
            for stream in vendor.streams:
                report = await sync.run(stream, window if stream.report_day else None)
                failed += [f"{name} {stream.name}: {one.error}" for one in report.failed]
    sys.stdout.write("end\n")
    sys.stderr.write("\n".join(failed))
    return len(failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(sys.argv[1]))))
