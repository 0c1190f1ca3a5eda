"""A process that syncs campaigns and ads' figures, to be killed. Takes orders as JSON, says when it begins and ends.

In: database_url, redis_url, sandbox_url, state_dir, first and end (report days). Out: lines "begin" and "end".
"""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

from raw_support import BY_AD, CAMPAIGNS, META, hasty_clock, meta_settings

from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow

SLICES = replace(BY_AD, slice_days=3, page_size=20)


def platform(orders: dict[str, str]) -> Platform:
    settings = Settings(state_dir=Path(orders["state_dir"]), meta_ads=meta_settings())
    return Platform(
        settings=settings.on_sandbox(orders["sandbox_url"]),
        warehouse=Warehouse(orders["database_url"]),
        redis_url=orders["redis_url"],
        mode="sandbox",
        sandbox_url=orders["sandbox_url"],
    )


async def main(orders: dict[str, str]) -> int:
    window = DayWindow(date.fromisoformat(orders["first"]), date.fromisoformat(orders["end"]))
    async with open_sync(platform(orders), META, clock=hasty_clock()) as sync:
        sys.stdout.write("begin\n")
        sys.stdout.flush()
        reports = [await sync.run(CAMPAIGNS, full=True), await sync.run(SLICES, window)]
    sys.stdout.write("end\n")
    failed = [one.error or "" for report in reports for one in report.failed]
    sys.stderr.write("\n".join(failed))
    return len(failed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(json.loads(sys.argv[1]))))
