"""Times dbt's facts for one changed day, while history grows tenfold, and for a full rebuild.

    python -m benchmarks.transform [--rows 10000000] [--json] [--database-url postgresql://...] [--repeat 3]

`--rows` counts rows of ads by day in the raw table; a day has 2,000, so more rows are a longer history. First a tenth
of them is there and every fact is built from it; then all. At both sizes the newest day but two is restated and built
by the step the pipeline runs. Facts must add up to the raw rows before a time is told. Without `--database-url` a
private PostgreSQL is started.

Keys of the JSON:
    server              version of PostgreSQL
    rows                of the longer history
    histories[]         rows, days; day_seconds: median of the facts' own times as dbt tells them; command_seconds: of
                        the whole command, most of which is dbt starting
    rebuild             rows, seconds, command_seconds: every day of the shorter history
    growth              day_seconds of the longer history / of the shorter; goal: below 2 for ten times the rows
    saved               rebuild.seconds / day_seconds of the shorter history
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import psycopg

from benchmarks.transform.data import ADS, LAST, fill, fill_facts, restate
from dataflow_assets.connectors import all_connectors
from dataflow_assets.embedded import acquire, erase
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.dbt import DBT, DBT_DIR, QUIET, build_windows, connect_dbt
from dataflow_assets.resources.warehouse import Connection, Warehouse, one
from dataflow_assets.transform.dbt_assets import BUILD, FACTS
from dataflow_assets.windows import ONE_DAY, DayWindow

DATABASE = "dataflow_benchmark_transform"
GOAL = 2.0


def main() -> None:
    """Make raw rows, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--database-url")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with warehouse(arguments.database_url) as found, TemporaryDirectory() as folder:
        report = measure(found, Dbt(Path(folder)), arguments.rows, arguments.repeat)
    print(json.dumps(report, indent=1) if arguments.json else as_text(report))


@contextmanager
def warehouse(database_url: str | None) -> Iterator[Warehouse]:
    """An empty database with the schema and raw tables: on the server named, or on a private one. Gone afterwards."""
    state = Path(mkdtemp(prefix="dataflow-benchmark-"))
    state.chmod(0o755)
    lease = None if database_url else acquire(state)
    server_url = lease.endpoints.database_url if lease else database_url or ""
    try:
        with psycopg.connect(server_url, autocommit=True) as server:
            server.execute(f"drop database if exists {DATABASE} with (force)".encode())
            server.execute(f"create database {DATABASE} template template0".encode())
            found = Warehouse(server_url.rsplit("/", 1)[0] + f"/{DATABASE}")
            found.migrate(s for connector in all_connectors() for s in create_statements(connector))
            yield found
            server.execute(f"drop database {DATABASE} with (force)".encode())
    finally:
        if lease:
            lease.release()
            erase(state)
        shutil.rmtree(state)


@dataclass(frozen=True)
class Dbt:
    """The project's dbt with its artifacts in a folder of the benchmark."""

    folder: Path

    def build(self, *arguments: str) -> tuple[float, float]:
        """Seconds that the models took, and the whole command."""
        started = time.perf_counter()
        command = [DBT, *BUILD, *arguments, "--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)]
        command += ["--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "log"), "--quiet"]
        done = subprocess.run(command, env={**os.environ, **QUIET}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        whole = time.perf_counter() - started
        results = json.loads((self.folder / "target" / "run_results.json").read_text("utf-8"))["results"]
        return sum(r["execution_time"] for r in results if r["unique_id"].startswith("model.")), whole

    def build_facts(self, days: DayWindow | None) -> tuple[float, float]:
        """The step `transform_facts`, over these days or all."""
        if days is None:
            return self.build("--select", FACTS)
        with build_windows([days]):
            return self.build("--select", FACTS)


def measure(found: Warehouse, dbt: Dbt, rows: int, repeat: int) -> dict[str, Any]:
    """Everything, as the JSON has it."""
    connect_dbt(found.database_url)
    long, short = max(50, rows // ADS), max(5, rows // ADS // 10)
    with found.connect(autocommit=True) as connection:
        first, before = LAST - timedelta(days=short - 1), LAST - timedelta(days=long - 1)
        fill(connection, first, LAST)
        dbt.build("--exclude", FACTS)
        models, command = dbt.build_facts(None)
        check(connection, first, LAST)
        rebuild = {"rows": short * ADS, "seconds": round(models, 2), "command_seconds": round(command, 2)}
        histories = [measure_day(connection, dbt, short, repeat)]
        fill(connection, before, first - ONE_DAY)
        fill_facts(connection, before, first - ONE_DAY)
        histories.append(measure_day(connection, dbt, long, repeat))
        version = one(connection, "show server_version")["server_version"]
    day = [history["day_seconds"] for history in histories]
    return {
        "server": f"PostgreSQL {version}",
        "rows": long * ADS,
        "histories": histories,
        "rebuild": rebuild,
        "growth": round(day[1] / day[0], 2),
        "goal": GOAL,
        "saved": round(rebuild["seconds"] / day[0], 1),
    }


def measure_day(connection: Connection, dbt: Dbt, days: int, repeat: int) -> dict[str, Any]:
    """One restated day at the present length of history."""
    day = LAST - timedelta(days=2)
    times = []
    for n in range(repeat):
        restate(connection, day, seed=n + days)
        times.append(dbt.build_facts(DayWindow(day, day + ONE_DAY)))
        check(connection, day, day)
    models, commands = zip(*times, strict=True)
    return {
        "rows": days * ADS,
        "days": days,
        "day_seconds": round(statistics.median(models), 3),
        "command_seconds": round(statistics.median(commands), 2),
    }


def check(connection: Connection, first: date, last: date) -> None:
    """The facts of these days are the raw rows, at every level, or no time is told."""
    for level, table in (("campaign", "insights_campaign"), ("ad_group", "insights_ad_set"), ("ad", "insights_ad")):
        values = {"level": level, "first": first, "last": last}
        sums = "count(*) as rows, sum(impressions) as impressions, sum(spend) as spend"
        raw = f"select {sums} from raw_meta_ads.{table} where date_start between %(first)s and %(last)s"
        fact = f"select {sums} from marts.fct_ad_performance_daily where entity_level = %(level)s "
        fact += "and date_day between %(first)s and %(last)s"
        found, expected = (connection.execute(query.encode(), values).fetchone() for query in (fact, raw))
        assert found == expected, f"{level}: the facts are {found}, the raw rows {expected}"


def as_text(report: dict[str, Any]) -> str:
    """For people."""
    lines = [report["server"]]
    lines += [
        f"{h['rows']:>12,} rows of ads in {h['days']:,} days: one changed day {h['day_seconds']:.2f} s "
        f"({h['command_seconds']:.1f} s with dbt's start)"
        for h in report["histories"]
    ]
    rebuild, verdict = report["rebuild"], "" if report["growth"] < report["goal"] else " (misses the goal)"
    lines.append(f"{rebuild['rows']:>12,} rows of ads, every day rebuilt: {rebuild['seconds']:.1f} s")
    lines.append(f"ten times the history, {report['growth']:.2f} times the work of a day{verdict}")
    lines.append(f"one day instead of all of the shorter history: {report['saved']:.0f}x less")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
