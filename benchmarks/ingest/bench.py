"""The means of a measurement: servers of its own, loads in processes, and the check that comes before every time."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.ingest.load import Orders, vendor_names
from benchmarks.ingest.vendor import connector
from benchmarks.ingest.world import Rows, Totals
from dataflow_assets.embedded import acquire, erase
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.warehouse import Warehouse

ROOT = Path(__file__).parents[2]
TARGET = "raw_bench.ad_changes"
_TOTALS = """
    select count(*), sum(impressions), sum(clicks), sum(spend) * 100, sum(conversions) * 10,
        sum(conversion_value) * 100, count(actions), count(distinct (ad_id, date))
    from {table}
"""


class NotExact(Exception):
    """A table does not hold what the API does: its time is worth nothing."""


@dataclass
class Bench:
    """An API of so many rows, a database and a Redis-protocol server."""

    rows: int
    api: str
    database: str
    redis: str
    scratch: Path
    repeat: int = 3
    results: dict[str, Any] = field(default_factory=dict)

    @property
    def world(self) -> Rows:
        """What the API serves."""
        return Rows(self.rows)

    def orders(self, **changes: Any) -> Orders:
        """Orders for a load."""
        return Orders(
            **{"api": self.api, "database": self.database, "redis": self.redis, **changes}, scratch=str(self.scratch)
        )

    def run(self, orders: Orders) -> tuple[float, Mapping[str, Any]]:
        """Load in a process of its own. Seconds of the whole process, and what it says it took."""
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.ingest.load", json.dumps(asdict(orders))],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
        seconds = time.perf_counter() - began
        took = json.loads(done.stdout)
        if took["errors"]:
            raise NotExact(f"A load failed: {took['errors']}")
        return seconds, took

    def steer(self, **settings: float) -> int:
        """Set latency (seconds) or `changed` of the API. Returns the pages it has served since last time."""
        answer = httpx.get(f"{self.api}/_set", params={k: str(v) for k, v in settings.items()})
        return int(answer.json()["requests"])

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        """Run a statement of the benchmark's own."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(text)
            return cursor.fetchall() if cursor.description else []

    def empty(self, vendors: int = 1) -> None:
        """Forget everything that was loaded, and let the server come to rest."""
        tables = [f"raw_{name}.{stream}" for name in vendor_names(vendors) for stream in ("ad_changes", "ad_days")]
        ours = ["watermarks", "sync_ledger", "sync_attempts", "unfinished_listings"]
        self.sql(f"truncate {', '.join([*(f'dataflow.{name}' for name in ours), *tables])}")
        self.sql("checkpoint")

    def check(self, table: str = TARGET, *, changed: bool = False, totals: Totals | None = None) -> None:
        """EXACT: rows, keys and sums are the API's. Raises NotExact."""
        want = totals or self.totals(changed=changed)
        (found,) = self.sql(_TOTALS.format(table=table))
        if tuple(map(int, found)) != (*asdict(want).values(), want.rows):
            raise NotExact(f"{table} holds {found}, and the API {want}.")

    def totals(self, *, changed: bool = False) -> Totals:
        """The world's totals, added up once."""
        known = self.results.setdefault("_totals", {})
        if changed not in known:
            known[changed] = self.world.totals(changed=changed)
        result: Totals = known[changed]
        return result


def alternated(repeat: int, experiments: Sequence[Callable[[], float]]) -> list[float]:
    """The median of each, all of them in turn, so that a busy moment hits them alike."""
    runs = [[experiment() for experiment in experiments] for _ in range(repeat)]
    return [statistics.median(times) for times in zip(*runs, strict=True)]


@contextmanager
def timed() -> Iterator[list[float]]:
    """A list that holds the seconds of the block when it is over."""
    seconds: list[float] = []
    began = time.perf_counter()
    yield seconds
    seconds.append(time.perf_counter() - began)


@contextmanager
def api(rows: int, scratch: Path) -> Iterator[str]:
    """An API of so many rows in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.ingest.server", "--rows", str(rows), "--scratch", str(scratch)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.kill()


@contextmanager
def bench(rows: int, scratch: Path, *, repeat: int, database_url: str | None = None) -> Iterator[Bench]:
    """Everything a measurement needs, until the block ends. Without a `database_url` a private server is started."""
    state = scratch / "servers"
    with api(rows, scratch) as url, acquire(state) as lease:
        database = database_url or lease.endpoints.database_url
        Warehouse(database).migrate()
        with Warehouse(database).connect() as connection:
            for name in vendor_names(5):
                for statement in create_statements(connector(url, name)):
                    connection.execute(statement)
        yield Bench(rows, url, database, lease.endpoints.redis_url, scratch, repeat)
    erase(state)
