"""All five vendors synced by three processes at once, killed at any instant, with their servers dying beside them: at
the end every table holds what an undisturbed load of the same world holds, and no finished slice was read twice.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
import redis
from psycopg import sql
from psycopg.rows import dict_row
from vendors_process import HISTORY_DAYS

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.embedded import Lease, acquire, erase
from dataflow_assets.raw.ddl import create_statements, primary_key, table
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

pytestmark = [pytest.mark.long, pytest.mark.timeout(6_000)]

SCRIPT = Path(__file__).with_name("vendors_process.py")
KILLS = 200
SERVER_DEATHS = 12
LONGEST_LIFE_SECONDS = 8.0
PATIENCE_SECONDS = 300.0
START = datetime(2026, 4, 10, 12, tzinfo=UTC)
WORLD = WorldConfig(
    start=date(2026, 2, 1),
    days=120,
    meta_accounts=2,
    google_accounts=2,
    linkedin_accounts=2,
    campaigns_per_account=3,
    ad_sets_per_campaign=1,
    ads_per_ad_set=2,
    customers_per_day=2,
)
# Which reading brought a row is not the vendor's, nor is what the feed of events alone knows.
NOT_THE_VENDORS = {"updated_at"}
Rows = dict[tuple[Any, ...], dict[str, Any]]
Process = subprocess.Popen[str]


@dataclass
class Field:
    """Servers, a sandbox and processes that work on them."""

    state: Path
    sandbox: RunningSandbox
    chance: Random
    is_loaded: bool = False
    lease: Lease = field(init=False)

    def __post_init__(self) -> None:
        self.lease = acquire(self.state)
        for name in ("disturbed", "fresh"):
            with psycopg.connect(self.lease.endpoints.database_url, autocommit=True) as connection:
                connection.execute(f'create database "{name}"'.encode())
            statements = (s for connector in all_connectors() for s in create_statements(connector))
            Warehouse(self.url(name)).migrate(statements)

    def url(self, name: str) -> str:
        return self.lease.endpoints.database_url.rsplit("/", 1)[0] + f"/{name}"

    def start(self, window: DayWindow | None = None, *, into: str = "disturbed") -> Process:
        vendors = [connector.name for connector in all_connectors()]
        self.chance.shuffle(vendors)
        orders = {
            "database_url": self.url(into),
            "redis_url": self.lease.endpoints.redis_url,
            "sandbox_url": self.sandbox.url,
            "state_dir": str(self.state),
            "vendors": vendors,
            "first": str(window.start) if window else None,
            "end": str(window.end) if window else None,
        }
        command = [sys.executable, str(SCRIPT), json.dumps(orders)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_to_the_end(self, *, into: str = "disturbed") -> None:
        with self.start(into=into) as process:
            said, complained = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, said) == (0, "begin\nend\n"), complained

    def neighbour(self) -> DayWindow:
        """Some report days of the last weeks."""
        last = self.sandbox.clock.now().date() - timedelta(days=self.chance.randint(1, 6))
        return DayWindow(last - timedelta(days=self.chance.randint(1, HISTORY_DAYS - 10)), last)

    def crowd(self) -> list[Process]:
        """One that goes on from the watermark, one of the same, and, once all is known, one of neighbouring days.

        A first reading of some days says that those before are not wanted.
        """
        first = [self.start(), self.start()]
        return [*first, self.start(self.neighbour())] if self.is_loaded else first

    def query(self, text: str, *, of: str = "disturbed") -> list[dict[str, Any]]:
        with psycopg.connect(self.url(of), row_factory=dict_row) as connection:
            return connection.execute(text.encode()).fetchall()

    def wait_until_alone(self) -> None:
        """Until the database has noticed that they are gone: it finishes what it was doing for them."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        query = """
            select count(*) as n from pg_stat_activity
            where application_name = 'dataflow' and datname = current_database()
        """
        while self.query(query)[0]["n"]:
            assert time.monotonic() < give_up_at
            time.sleep(0.02)

    def kill_postgres(self) -> None:
        """SIGKILL to the server; the next to ask finds it started again."""
        folder = Path(self.query("select setting from pg_settings where name = 'data_directory'")[0]["setting"])
        os.kill(int((folder / "postmaster.pid").read_text("ascii").split("\n", 1)[0]), signal.SIGKILL)

    def come_back(self) -> None:
        """Servers again, perhaps at other addresses. Those that go down with the killed one may answer for a moment."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.lease.release()
            self.lease = acquire(self.state)
            try:
                with psycopg.connect(self.lease.endpoints.database_url, connect_timeout=3):
                    return
            except psycopg.OperationalError:
                assert time.monotonic() < give_up_at
                time.sleep(0.1)

    def rows(self, connector: Connector, stream: Stream, since: date, *, of: str) -> Rows:
        """What is stored and not gone, in the vendor's columns, by key; two rows of one key are an error."""
        names = [name for name in ("_account_id", *stream.column_names) if name not in NOT_THE_VENDORS]
        query = sql.SQL("select {} from {} where true").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), table(connector, stream)
        )
        if stream.kind is Kind.ENTITY:
            query += sql.SQL(" and _deleted_at is null")
        if stream.report_day:
            query += sql.SQL(" and {} >= {}").format(sql.Identifier(stream.report_day), sql.Literal(since))
        with psycopg.connect(self.url(of), row_factory=dict_row) as connection:
            found = connection.execute(query).fetchall()
        keyed = {tuple(row[name] for name in primary_key(stream)): row for row in found}
        assert len(keyed) == len(found)
        return {key: row for key, row in keyed.items() if not row.get("deleted")}

    def assert_as_undisturbed(self) -> None:
        """Sync once more, load afresh beside it, and compare every table; and again when the week has passed.

        HubSpot leaves no trace of who was merged or erased: until the weekly listing such a row, and no other, is more.
        """
        self.sandbox.clear_faults()
        self.compare(after=timedelta(hours=26), weekly_listings_are_done=False)
        self.compare(after=timedelta(days=7), weekly_listings_are_done=True)

    def compare(self, *, after: timedelta, weekly_listings_are_done: bool) -> None:
        """Every table with that of a database whose syncs nobody has disturbed."""
        self.sandbox.clock.advance(after.total_seconds())
        self.run_to_the_end()
        self.run_to_the_end(into="fresh")
        since = self.sandbox.clock.now().date() - timedelta(days=HISTORY_DAYS - 2)
        shown = 0
        for connector in all_connectors():
            for stream in connector.streams:
                expected = self.rows(connector, stream, since, of="fresh")
                found = self.rows(connector, stream, since, of="disturbed")
                shown += bool(expected)
                if stream.kind is Kind.EVENT:  # kept as they first came, also when the vendor has forgotten them
                    assert expected.keys() <= found.keys(), f"{connector.name} {stream.name}"
                    continue
                if not weekly_listings_are_done and stream.sweep_every == timedelta(days=7):
                    found = {key: row for key, row in found.items() if key in expected}
                assert found == expected, f"{connector.name} {stream.name}"
        assert shown >= 0.8 * sum(len(connector.streams) for connector in all_connectors())

    def assert_no_slice_was_read_twice(self) -> None:
        """Within an attempt, and all attempts on the way were finished or taken up again."""
        read: dict[str, Counter[date]] = {}
        slices = "select * from dataflow.sync_ledger where outcome = 'published' and attempt_id is not null"
        for row in self.query(slices):
            days = read.setdefault(str(row["attempt_id"]), Counter())
            days.update(DayWindow(row["window_start"], row["window_end"]).days)
        assert read
        twice = {attempt: days for attempt, days in read.items() if max(days.values()) > 1}
        assert not twice


@pytest.fixture
def field_of_work(tmp_path: Path) -> Callable[[int], Any]:
    @contextmanager
    def make(seed: int) -> Iterator[Field]:
        with run_sandbox(WORLD, now=START) as sandbox:
            made = Field(tmp_path / "servers", sandbox, Random(seed))  # noqa: S311  reproducible
            try:
                yield made
            finally:
                made.lease.release()
                erase(tmp_path / "servers")

    return make


def end(process: Process, after_seconds: float, *, disturbed: bool) -> bool:
    """Kill -9 so long after it began. Returns whether it was still at it; if not, it may fail only when disturbed."""
    assert process.stdout
    process.stdout.readline()
    try:
        process.wait(after_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    with process:
        _, complained = process.communicate(timeout=PATIENCE_SECONDS)
    assert disturbed or process.returncode <= 0, complained
    return process.returncode < 0


def test_law_2_kill_9_of_three_at_once_over_all_vendors_loses_and_doubles_nothing(field_of_work: Any) -> None:
    with field_of_work(41) as work:
        kills = rounds = 0
        while kills < KILLS:
            rounds += 1
            disturbed = rounds % 4 == 0
            if disturbed:
                for connector in all_connectors():
                    work.sandbox.fault("cut_connection", vendor=connector.name, times=10)
            crowd = work.crowd()
            if disturbed:
                with redis.Redis.from_url(work.lease.endpoints.redis_url) as client:
                    client.flushall()
            for process in crowd:
                kills += end(process, work.chance.uniform(0, LONGEST_LIFE_SECONDS), disturbed=disturbed)
            work.sandbox.clear_faults()
            work.wait_until_alone()
            if kills >= KILLS // 4 and not work.is_loaded:
                work.run_to_the_end()
                work.is_loaded = True
            if rounds % 10 == 0:
                work.sandbox.clock.advance(timedelta(days=1).total_seconds())
        work.assert_as_undisturbed()
        work.assert_no_slice_was_read_twice()


def test_law_2_postgres_killed_under_three_syncs_loses_and_doubles_nothing(field_of_work: Any) -> None:
    with field_of_work(43) as work:
        for deaths in range(SERVER_DEATHS):
            if deaths == SERVER_DEATHS // 3:
                work.run_to_the_end()
                work.is_loaded = True
            crowd = work.crowd()
            time.sleep(work.chance.uniform(1.0, LONGEST_LIFE_SECONDS))
            work.kill_postgres()
            for process in crowd:
                end(process, PATIENCE_SECONDS, disturbed=True)
            work.come_back()
        work.assert_as_undisturbed()
        work.assert_no_slice_was_read_twice()
