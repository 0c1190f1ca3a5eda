"""Parts and sums: what Pandera takes of a load, one backfill against many, vendors at once, and more and more rows."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.ingest.bench import Bench, timed
from benchmarks.ingest.bench import bench as new_bench
from benchmarks.ingest.vendor import CHANGES, connector
from benchmarks.ingest.world import FIRST_DAY
from dataflow_assets.checks.contracts import landed, violations
from dataflow_assets.resources.warehouse import Warehouse

BACKFILL_DAYS = 90
RUNS_MEASURED = 5
VENDORS = 5


def pandera(bench: Bench, load_seconds: float) -> dict[str, float]:
    """The contract's check of the loaded table: reading it back, and Pandera itself."""
    checking = 0.0
    with timed() as whole, Warehouse(bench.database).connect() as connection:
        for frame in landed(connection, connector(bench.api), CHANGES, None):
            with timed() as seconds:
                found = violations(CHANGES, frame)
            assert not found, found
            checking += seconds[0]
    return {"reading": whole[0] - checking, "checking": checking, "share": checking / load_seconds}


def backfill(bench: Bench) -> dict[str, Any]:
    """90 report days as one run, and as a run a day of which some are measured and the rest counted like them."""
    days = [str(FIRST_DAY + timedelta(days=n)) for n in range(BACKFILL_DAYS + 1)]
    bench.empty()
    whole, _ = bench.run(bench.orders(windows=((days[0], days[-1]),)))
    _check_days(bench, BACKFILL_DAYS)
    bench.empty()
    began = time.perf_counter()
    for n in range(RUNS_MEASURED):
        bench.run(bench.orders(windows=((days[n], days[n + 1]),)))
    each = (time.perf_counter() - began) / RUNS_MEASURED
    _check_days(bench, RUNS_MEASURED)
    return {"one_run": whole, "runs": each * BACKFILL_DAYS, "runs_measured": RUNS_MEASURED, "runs_are": "extrapolated"}


def _check_days(bench: Bench, days: int) -> None:
    wanted = bench.world.all((row, 0) for row in range(days * bench.world.ads))
    bench.check("raw_bench.ad_days", totals=wanted)


def vendors(bench: Bench) -> dict[str, float]:
    """Five vendors with slow answers, at once and one after the other; no Dagster, one process."""
    seconds = {}
    bench.steer(latency=0.05)
    try:
        for together in (True, False):
            bench.empty(VENDORS)
            _, said = bench.run(bench.orders(vendors=VENDORS, together=together))
            for n in range(VENDORS):
                bench.check(TARGET_OF.format(n=f"_{n}" if n else ""))
            seconds["at_once" if together else "in_turn"] = said["loading"]
    finally:
        bench.steer(latency=0)
    return seconds


TARGET_OF = "raw_bench{n}.ad_changes"


def per_row(rows: int, scratch: Path, database_url: str | None) -> dict[str, float]:
    """The first load of a world of another size. Microseconds a row, and the peak of memory in MB."""
    with new_bench(rows, scratch, repeat=1, database_url=database_url) as other:
        other.empty()
        seconds, said = other.run(other.orders())
        other.check()
    return {"rows": rows, "wall": seconds, "per_row": said["loading"] / rows * 1e6, "memory": said["memory"]}
