"""A process that syncs again and again under a narrow budget, and comes back when it is told to.

Takes orders as JSON: those of sync_process.py, and runs and requests_per_hour. Out: requests sent, as JSON.
"""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import date

from raw_support import BY_AD, META, meta_settings
from sync_process import platform

from dataflow_assets.raw.session import open_sync
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow

MOST_RETURNS = 30
SLICES = replace(BY_AD, slice_days=2)


async def main(orders: dict[str, str]) -> int:
    """All runs. Returns how many requests they took."""
    at = platform(orders)
    limits = meta_settings(requests_per_hour=int(orders["requests_per_hour"]))
    at = replace(at, settings=Settings(meta_ads=limits).on_sandbox(orders["sandbox_url"]))
    window = DayWindow(date.fromisoformat(orders["first"]), date.fromisoformat(orders["end"]))
    sent = 0
    for _ in range(int(orders["runs"])):
        for _ in range(MOST_RETURNS):
            async with open_sync(at, META) as sync:
                report = await sync.run(SLICES, window)
            sent += report.tally.requests
            waits = [one.retry_after_seconds for one in report.failed if one.retry_after_seconds is not None]
            if not report.failed:
                break
            if len(waits) < len(report.failed):
                raise SystemExit(report.failed[0].error)
            await asyncio.sleep(max(waits))
        else:
            raise SystemExit("It never came through.")
    return sent


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
