"""Our own loads: first, into a table that has its key, changes, nothing new, slow pages, killed, and below Dagster."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.ingest.bench import ROOT, TARGET, Bench

LATENCY_SECONDS = 0.05
_SEED = "bench_floor.seed"


def initial(bench: Bench, took: list[dict[str, Any]]) -> Callable[[], float]:
    """Everything into an empty table, key and all."""

    def run() -> float:
        bench.empty()
        seconds, said = bench.run(bench.orders())
        bench.check()
        took.append({**said, "wall": seconds})
        return seconds

    return run


def upsert(bench: Bench) -> Callable[[], float]:
    """Everything into a table that holds one row in a hundred, so that every part is compared with what is stored."""

    def run() -> float:
        bench.sql(f"create table if not exists {_SEED} as select * from {TARGET} limit {max(bench.rows // 100, 1)}")
        bench.empty()
        bench.sql(f"insert into {TARGET} select * from {_SEED}")
        bench.sql("checkpoint")
        seconds, _ = bench.run(bench.orders())
        bench.check()
        return seconds

    return run


def nothing_new(bench: Bench) -> Callable[[], float]:
    """All is loaded: only the rows of the last moment come again."""

    def run() -> float:
        seconds, said = bench.run(bench.orders())
        assert said["requests"] == 1, said
        return seconds

    return run


def changed(bench: Bench) -> Callable[[], float]:
    """One row in a hundred has changed."""

    def run() -> float:
        bench.empty()
        bench.run(bench.orders())
        bench.steer(changed=1)
        try:
            seconds, _ = bench.run(bench.orders())
            bench.check(changed=True)
        finally:
            bench.steer(changed=0)
        return seconds

    return run


def slow_pages(bench: Bench) -> dict[str, float]:
    """Every page takes 50 ms, and the next one can only be asked for when it is there. Times of the load alone."""
    bench.empty()
    bench.steer(latency=LATENCY_SECONDS)
    try:
        seconds, said = bench.run(bench.orders())
        bench.check()
    finally:
        bench.steer(latency=0)
    floor = said["requests"] * LATENCY_SECONDS
    return {"seconds": seconds, "loading": said["loading"], "floor": floor, "ratio": seconds / floor}


def killed(bench: Bench, usual_seconds: float) -> dict[str, Any]:
    """Kill the load somewhere in the middle, and run it again."""
    bench.empty()
    bench.steer()
    orders = json.dumps(asdict(bench.orders()))
    after = random.Random(7).uniform(0.5, 0.85) * usual_seconds  # noqa: S311  reproducible
    with subprocess.Popen([sys.executable, "-m", "benchmarks.ingest.load", orders], cwd=ROOT) as process:
        time.sleep(after)
        process.kill()
    before = bench.steer()
    while bench.sql("select 1 from pg_stat_activity where application_name = 'dataflow'"):
        time.sleep(0.05)
    (kept,) = bench.sql(f"select count(*) from {TARGET}")[0]
    _, said = bench.run(bench.orders())
    bench.check()
    return {
        "killed_after_seconds": after,
        "requests_before": before,
        "rows_kept": kept,
        "requests_after": said["requests"],
        "requests_of_a_restart": -(-bench.rows // 1_000),
    }


def below_dagster(bench: Bench) -> dict[str, float]:
    """The first load as a raw asset, materialized in a process: what the step takes, and what Dagster adds to it."""
    bench.empty()
    # Settings are read once, when the first module asks for them.
    places = {"DATABASE_URL": bench.database, "REDIS_URL": bench.redis, "DATAFLOW_SANDBOX__URL": bench.api}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest.asset", json.dumps(asdict(bench.orders()))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        env={**os.environ, **places},
    )
    wall = time.perf_counter() - began
    bench.check()
    return {"wall": wall, **json.loads(done.stdout.splitlines()[-1])}
