"""`python -m benchmarks.ingest [--rows N] [--json]`: figures of one run, printed only if the rows are EXACT.

Keys of --json: see `measure`. Times are seconds of a whole process unless said otherwise, medians of --repeat.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.ingest import floors, ours, rival, shares
from benchmarks.ingest.bench import Bench, alternated, bench
from benchmarks.ingest.table import show
from benchmarks.ingest.world import DAYS

_SMALLEST = DAYS * 4


def measure(on: Bench, *, with_rivals: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """All figures of one API and one database."""
    took: list[dict[str, Any]] = []
    say("first load, and COPY + key")
    ours.initial(on, took)()
    floors.prepare(on)
    took.clear()
    initial, copy, keyed = alternated(
        on.repeat, [ours.initial(on, took), floors.copy_and_add_key(on), floors.copy_with_key(on)]
    )
    found: dict[str, Any] = {
        "rows": on.rows,
        "repeat": on.repeat,
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "load_average": os.getloadavg()[0],
        "initial": initial,
        "copy_floor": copy,
        "keyed_copy_floor": keyed,
        "initial_cpu": min(one["cpu"] for one in took),
        "memory_mb": max(one["memory"] for one in took),
    }
    say("nothing new")
    (found["nothing_new"],) = alternated(on.repeat, [ours.nothing_new(on)])
    say("upsert into a table with a key")
    found["upsert"], found["upsert_floor"] = alternated(on.repeat, [ours.upsert(on), floors.sorted_upsert(on)])
    say("1 % changed")
    (found["one_percent"],) = alternated(on.repeat, [ours.changed(on)])
    say("50 ms a page")
    found["slow_pages"] = ours.slow_pages(on)
    say("killed and run again")
    found["killed"] = ours.killed(on, initial)
    say("below Dagster")
    found["dagster"] = ours.below_dagster(on)
    found["pandera"] = shares.pandera(on, initial)
    say("backfill of 90 days")
    found["backfill"] = shares.backfill(on)
    found["dlt"] = _rivals(on, say) if with_rivals else {"skipped": "not asked for"}
    return found


def _rivals(on: Bench, say: Callable[[str], None]) -> dict[str, Any]:
    found: dict[str, Any] = {"pinned": rival.PINNED}
    try:
        python = rival.interpreter()
    except rival.Unavailable as error:
        return {**found, "unavailable": str(error)}
    for way in rival.WAYS:
        say(f"dlt, {way}")
        try:
            (found[way],) = alternated(on.repeat, [rival.load(on, python, way)])
        except rival.Unavailable as error:
            found[f"{way}_unavailable"] = str(error)
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure and print. Exit code 0, or 1 when some table was not EXACT."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help=f"a multiple of {_SMALLEST}")
    parser.add_argument("--repeat", type=int, default=3, help="of which the median counts")
    parser.add_argument("--json", action="store_true", help="nothing but the figures")
    parser.add_argument("--no-rivals", action="store_true", help="leave dlt out")
    parser.add_argument("--sizes", type=int, nargs="*", default=[], help="also load so many rows: the cost of each")
    parser.add_argument("--database-url", help="a PostgreSQL to be used instead of a private one")
    options = parser.parse_args(argv)
    rows = max(options.rows // _SMALLEST, 1) * _SMALLEST
    # Where it is set, every process of a fresh clone compiles what it imports: half a second that is nobody's load.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

    def say(what: str) -> None:
        if not options.json:
            sys.stderr.write(f"  {what} ...\n")

    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder:
        scratch = Path(folder)
        with bench(rows, scratch, repeat=options.repeat, database_url=options.database_url) as on:
            found = measure(on, with_rivals=not options.no_rivals, say=say)
        say("five vendors")
        with bench(
            max(rows // 10 // _SMALLEST, 1) * _SMALLEST, scratch, repeat=1, database_url=options.database_url
        ) as on:
            found["vendors"] = {"rows_each": on.rows, **shares.vendors(on)}
        say("other sizes")
        sizes = [max(size // _SMALLEST, 1) * _SMALLEST for size in [rows // 10, *options.sizes]]
        found["sizes"] = [shares.per_row(size, scratch, options.database_url) for size in sizes]
    print(json.dumps(found, indent=2) if options.json else show(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
