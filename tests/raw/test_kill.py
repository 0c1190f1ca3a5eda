"""A sync may be killed at any instant, with another one beside it: nothing is lost or doubled, and the next goes on."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
from raw_support import BY_AD, CAMPAIGNS, Rows, World, assert_same

from dataflow_assets.windows import DayWindow, local_day

SCRIPT = Path(__file__).with_name("sync_process.py")
PATIENCE_SECONDS = 60.0
SLOW_ANSWER_SECONDS = 0.02  # a fast machine must not be done before it is killed
LONGEST_LIFE_SECONDS = 0.5
WINDOW = DayWindow(date(2026, 3, 1), date(2026, 5, 19))
NEIGHBOURS = (
    WINDOW,
    DayWindow(date(2026, 2, 20), date(2026, 5, 12)),
    DayWindow(date(2026, 4, 1), date(2026, 5, 19)),
    DayWindow(date(2026, 3, 31), date(2026, 4, 2)),
)

Process = subprocess.Popen[str]


@dataclass
class Crowd:
    """Syncs in processes of their own, and what the vendor held whenever its figures moved."""

    world: World
    redis_url: str
    accounts: list[str] = field(init=False)
    zones: dict[str, ZoneInfo] = field(init=False)
    eras: list[tuple[datetime, dict[str, Rows]]] = field(default_factory=list)  # from when by the database, by account

    def __post_init__(self) -> None:
        found = self.world.sandbox.truth("meta_ads", "ad_accounts")
        self.zones = {row["account_id"]: ZoneInfo(row["timezone_name"]) for row in found}
        self.accounts = list(self.zones)
        self.note_era()

    def note_era(self) -> None:
        """Remember what the vendor holds from now on."""
        truth = {account: self.world.truth(BY_AD, account) for account in self.accounts}
        (row,) = self.world.query("select clock_timestamp() as now")
        self.eras.append((row["now"], truth))

    def next_day(self) -> None:
        """A day passes: figures of the last four weeks change."""
        self.world.sandbox.clock.advance(timedelta(days=1).total_seconds())
        self.note_era()

    def start(self, window: DayWindow = WINDOW) -> Process:
        orders = {
            "database_url": self.world.platform.warehouse.database_url,
            "redis_url": self.redis_url,
            "sandbox_url": self.world.sandbox.url,
            "state_dir": str(self.world.platform.settings.state_dir),
            "first": str(window.start),
            "end": str(window.end),
        }
        command = [sys.executable, str(SCRIPT), json.dumps(orders)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run_to_the_end(self, window: DayWindow = WINDOW) -> None:
        with self.start(window) as process:
            said, complained = process.communicate(timeout=PATIENCE_SECONDS)
        assert (process.returncode, said) == (0, "begin\nend\n"), complained

    def wait_until_alone(self) -> None:
        """Until the database has noticed that they are gone: it finishes what it was doing for them."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        query = """
            select count(*) as n from pg_stat_activity
            where application_name = 'dataflow' and pid <> pg_backend_pid() and datname = current_database()
        """
        while self.world.query(query)[0]["n"]:
            assert time.monotonic() < give_up_at
            time.sleep(0.01)

    def check(self) -> None:
        """Law 2 and 3, as far as the database shows them."""
        for account in self.accounts:
            stored = self.world.stored(BY_AD, account)  # no row is doubled
            newest = self.newest_reading(account)
            assert_same(stored, dict(self.expected(account, newest)))
            mark = self.world.watermark(BY_AD, account)
            assert (mark is None) == (not newest), "A watermark comes with its rows."
            if mark:
                zone = self.zones[account]
                known = DayWindow(local_day(mark["complete_from"], zone), local_day(mark["watermark"], zone))
                assert set(known.days) <= newest.keys(), "The watermark has passed a gap."
            campaigns = self.world.stored(CAMPAIGNS, account)
            if self.world.watermark(CAMPAIGNS, account):
                assert_same(campaigns, self.world.truth(CAMPAIGNS, account))
            else:
                assert campaigns == {}
        assert self.world.query(_UNTOLD) == [], "Rows changed and their day was not marked."

    def attempts(self) -> dict[str, dict[object, datetime | None]]:
        """The attempts of each account, and when they were finished."""
        rows = self.world.query("select account_id, attempt_id, finished_at from dataflow.sync_attempts")
        return {
            account: {row["attempt_id"]: row["finished_at"] for row in rows if row["account_id"] == account}
            for account in self.accounts
        }

    def newest_reading(self, account: str) -> dict[date, datetime]:
        """Per published day when its newest reading began, by the ledger."""
        rows = self.world.query(
            "select window_start, window_end, fetch_started_at from dataflow.sync_ledger"
            " where (stream, account_id, outcome) = ('insights_ad', %s, 'published') order by fetch_started_at",
            account,
        )
        return {
            day: row["fetch_started_at"]
            for row in rows
            for day in DayWindow(row["window_start"], row["window_end"]).days
        }

    def expected(self, account: str, newest: dict[date, datetime]) -> Iterator[tuple[tuple[object, ...], object]]:
        """The vendor's rows of every published day as they were when it was read."""
        for day, read_at in newest.items():
            truth = [rows[account] for since, rows in self.eras if since <= read_at][-1]
            yield from ((key, row) for key, row in truth.items() if key[0] == day)


# Slices that wrote rows of days for which no touch was noted.
_UNTOLD = """
    select distinct date_start, _sync_id from raw_meta_ads.insights_ad
    except select day, sync_id from dataflow.touched_days
"""


def kill(process: Process, after_seconds: float) -> bool:
    """Kill -9 so long after it began to sync. Returns whether it was still at it."""
    assert process.stdout
    assert process.stdout.readline() == "begin\n"
    try:
        process.wait(after_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    with process:
        _, complained = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode <= 0, complained
    return process.returncode < 0


@pytest.fixture
def crowd(world: World, redis_server_url: str) -> Crowd:
    world.sandbox.fault("slow", seconds=SLOW_ANSWER_SECONDS)
    return Crowd(world, redis_server_url)


def test_law_2_kill_9_anywhere_loses_and_doubles_nothing(crowd: Crowd) -> None:
    chance = Random(29)  # noqa: S311  reproducible
    kills = 0
    while kills < 12:
        before = crowd.attempts()
        if kill(crowd.start(), chance.uniform(0, LONGEST_LIFE_SECONDS)):
            kills += 1
            crowd.wait_until_alone()
        else:
            crowd.next_day()
        crowd.check()
        # A rerun goes on where the killed one stopped, if it was not at its end.
        after = crowd.attempts()
        for account, attempts in before.items():
            if None in attempts.values():
                assert after[account].keys() == attempts.keys()
    crowd.run_to_the_end()
    crowd.check()
    for account in crowd.accounts:
        assert_same(crowd.world.stored(BY_AD, account), crowd.world.truth(BY_AD, account, WINDOW))
    # No attempt reads a day again that it has published.
    ended = {attempt: at for attempts in crowd.attempts().values() for attempt, at in attempts.items()}
    assert None not in ended.values()
    for attempt in ended:
        slices = crowd.world.query(
            "select * from dataflow.sync_ledger where attempt_id = %s and outcome = 'published'", attempt
        )
        days = Counter(day for row in slices for day in DayWindow(row["window_start"], row["window_end"]).days)
        assert days == dict.fromkeys(WINDOW.days, 1)


@pytest.mark.long
@pytest.mark.timeout(3_000)
def test_law_2_kill_9_of_two_at_once_at_the_same_and_neighbouring_windows_loses_and_doubles_nothing(
    crowd: Crowd,
) -> None:
    chance = Random(31)  # noqa: S311  reproducible
    kills = rounds = 0
    while kills < 200:
        rounds += 1
        windows = [WINDOW, chance.choice(NEIGHBOURS)][: chance.choice((1, 2, 2))]
        with ExitStack() as stack:
            processes = [stack.enter_context(crowd.start(window)) for window in windows]
            kills += sum(kill(process, chance.uniform(0, 2 * LONGEST_LIFE_SECONDS)) for process in processes)
        crowd.wait_until_alone()
        crowd.check()
        if rounds % 20 == 0:
            crowd.next_day()
    whole = DayWindow(min(window.start for window in NEIGHBOURS), max(window.end for window in NEIGHBOURS))
    crowd.next_day()
    crowd.run_to_the_end(whole)
    crowd.check()
    for account in crowd.accounts:
        assert_same(crowd.world.stored(BY_AD, account), crowd.world.truth(BY_AD, account, whole))
