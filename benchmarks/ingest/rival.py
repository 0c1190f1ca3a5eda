"""dlt in an environment of its own, made on first use in the cache folder; says why when it cannot run."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.ingest.bench import Bench

PINNED = ("dlt[postgres]==1.31.0", "pyarrow==22.0.0", "adbc-driver-postgresql==1.8.0", "adbc-driver-manager==1.8.0")
WAYS = ("defaults", "arrow")
_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dataflow-benchmarks"


class Unavailable(Exception):
    """dlt cannot be run here; the message says why."""


def interpreter() -> Path:
    """The interpreter of dlt's environment. Raises Unavailable."""
    home = _CACHE / f"dlt-{sys.version_info.major}.{sys.version_info.minor}"
    python = home / "bin" / "python"
    mark = home / "pinned.json"
    if mark.is_file() and json.loads(mark.read_text("utf-8")) == list(PINNED):
        return python
    shutil.rmtree(home, ignore_errors=True)
    for command in ([sys.executable, "-m", "venv", str(home)], [str(python), "-m", "pip", "install", "-q", *PINNED]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"its environment cannot be made: {(done.stderr or done.stdout).strip()[-300:]}")
    mark.write_text(json.dumps(PINNED), "utf-8")
    return python


def load(bench: Bench, python: Path, way: str) -> Callable[[], float]:
    """A first load by dlt into tables of its own, checked like ours."""

    def run() -> float:
        dataset = f"dlt_{way}"
        bench.sql(f"drop schema if exists {dataset} cascade")
        bench.sql(f"drop schema if exists {dataset}_staging cascade")
        shutil.rmtree(bench.scratch / dataset, ignore_errors=True)
        bench.sql("checkpoint")
        seconds = dlt(bench, python, way)
        _check(bench, dataset)
        return seconds

    return run


def dlt(bench: Bench, python: Path, way: str) -> float:
    """One run of dlt, going on where the last one ended. Seconds of the process."""
    dataset = f"dlt_{way}"
    orders: dict[str, Any] = {
        "way": way,
        "name": dataset,
        "dataset": dataset,
        "api": bench.api,
        "database": bench.database,
        "scratch": str(bench.scratch / dataset),
    }
    environment = {**os.environ, "RUNTIME__DLTHUB_TELEMETRY": "false"}
    began = time.perf_counter()
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("rival_dlt.py")), json.dumps(orders)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise Unavailable(f"it failed: {done.stderr.strip()[-400:]}")
    return time.perf_counter() - began


def _check(bench: Bench, dataset: str) -> None:
    # The Arrow way keeps decimals as the text they came as.
    table = (
        f"(select ad_id, date, impressions::bigint, clicks::bigint, spend::numeric, conversions::numeric, "
        f"conversion_value::numeric, actions from {dataset}.ad_changes) as theirs"
    )
    bench.check(table)
