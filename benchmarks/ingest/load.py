"""One load by our own code, in a process of its own: `python -m benchmarks.ingest.load ORDERS`; prints what it took.

Orders and answer are JSON; see `Orders` and `Took`.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from benchmarks.ingest.vendor import CHANGES, DAYS, connector
from dataflow_assets.raw.outcome import StreamReport
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow


@dataclass(frozen=True)
class Orders:
    """Which API to load into which database. `vendors`: that many copies of it, all at once if `together`.

    `windows` (first and past-the-last day) load the report stream, one after the other, else the changes are loaded.
    """

    api: str
    database: str
    redis: str
    scratch: str
    vendors: int = 1
    together: bool = True
    windows: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Took:
    """What a load took. Memory: peak of the process in MB. `loading`: seconds without the interpreter's start."""

    loading: float
    cpu: float
    memory: float
    requests: int
    rows: int
    errors: tuple[str, ...]


def vendor_names(vendors: int) -> list[str]:
    """Names of the copies of the API."""
    return ["bench", *(f"bench_{n}" for n in range(1, vendors))]


def platform(orders: Orders) -> Platform:
    """The platform of a load."""
    return Platform(
        settings=Settings(state_dir=Path(orders.scratch)),
        warehouse=Warehouse(orders.database),
        redis_url=orders.redis,
        mode="sandbox",
        sandbox_url=None,
    )


async def load(orders: Orders) -> Sequence[StreamReport]:
    """Sync as ordered."""
    at = platform(orders)

    async def one(name: str) -> list[StreamReport]:
        async with open_sync(at, connector(orders.api, name)) as sync:
            if not orders.windows:
                return [await sync.run(CHANGES)]
            days = [DayWindow(date.fromisoformat(a), date.fromisoformat(b)) for a, b in orders.windows]
            return [await sync.run(DAYS, window) for window in days]

    names = vendor_names(orders.vendors)
    if orders.together:
        found = await asyncio.gather(*map(one, names))
    else:
        found = [await one(name) for name in names]
    return [report for reports in found for report in reports]


def _peak_memory() -> float:
    """MB. Not `ru_maxrss`, which a child takes over from the process that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main(orders: Orders) -> Took:
    """Load, and tell what it took."""
    began = time.perf_counter()
    reports = asyncio.run(load(orders))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Took(
        loading=time.perf_counter() - began,
        cpu=usage.ru_utime + usage.ru_stime,
        memory=_peak_memory(),
        requests=sum(report.tally.requests for report in reports),
        rows=sum(report.counts.read for report in reports),
        errors=tuple(account.error or "" for report in reports for account in report.failed),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(main(Orders(**json.loads(sys.argv[1]))))))
