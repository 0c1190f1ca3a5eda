"""Asynchronous reports: the states a run goes through as it is polled. apis/meta_ads.md, section 4."""

import threading
import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import date
from typing import Any

from dataflow_assets.sandbox.meta_ads import ids
from dataflow_assets.sandbox.meta_ads.errors import GraphError, missing
from dataflow_assets.sandbox.meta_ads.insights import Query
from dataflow_assets.sandbox.meta_ads.paging import Row

POLL_FAULTS = frozenset({"async_fail", "async_too_large", "async_skip", "async_stuck_at_100"})
NOT_READY = "async_not_ready"

_KEPT_SECONDS = 30 * 86_400
_MOST_RUNS = 10_000
_FINISHED = 100
_POLLS_FOR_ALL_STATES = 5


@dataclass
class Run:
    """One report run. The figures are those known at the query's instant, whenever they are read."""

    id: str
    query: Query
    polls: int = 0
    status: str = "Job Not Started"
    percent: int = 0
    completed: int | None = None
    error: dict[str, Any] | None = None

    @property
    def over(self) -> bool:
        """Whether its state is final."""
        if self.status == "Job Completed":
            return self.percent == _FINISHED
        return self.status in ("Job Failed", "Job Skipped")


class Reports:
    """The runs of the last 30 days of world time, in memory. Safe to use from several threads."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        # Ids begin with the time of this start: a client that polls a run of an earlier start must not get another's.
        self._first = f"605{int(wall()):010}"
        self._lock = threading.Lock()
        self._number = 0
        self._runs: dict[str, Run] = {}

    def create(self, query: Query) -> Run:
        """Start a run."""
        with self._lock:
            self._number += 1
            run = Run(f"{self._first}{self._number:05}", query)
            self._runs[run.id] = run
            if len(self._runs) > _MOST_RUNS:
                del self._runs[next(iter(self._runs))]
            return run

    def find(self, run_id: str, now: int) -> Run | None:
        """A run by id; None when there is none, or it is older than 30 days."""
        with self._lock:
            run = self._runs.get(run_id)
        return run if run and now - run.query.instant < _KEPT_SECONDS else None

    def poll(self, run: Run, now: int, needed: int, faults: Container[str]) -> Row:
        """The run's node, one poll further: not started, started, running up to 100 percent, completed."""
        with self._lock:
            if not run.over:
                run.polls += 1
                self._move(run, now, needed, faults)
            return node(run)

    def _move(self, run: Run, now: int, needed: int, faults: Container[str]) -> None:
        if "async_fail" in faults:
            run.status, run.error = "Job Failed", _failure(-2, 2490547, "Report run failed")
        elif "async_too_large" in faults:
            run.status, run.error = "Job Failed", _failure(-3, 1504045, "report too large")
        elif "async_skip" in faults:
            run.status = "Job Skipped"
        elif "async_stuck_at_100" in faults:
            run.status, run.percent = "Job Running", _FINISHED
        elif run.polls >= needed:
            run.status, run.percent, run.completed = "Job Completed", _FINISHED, now
        else:
            run.status, run.percent = _on_the_way(run.polls, needed)


def _on_the_way(polls: int, needed: int) -> tuple[str, int]:
    """What an unfinished run shows.

    A run of five polls or more has room for what Meta does at times: running at 100 percent, then completed with the
    percentage lagging behind.
    """
    if needed < _POLLS_FOR_ALL_STATES:
        return ("Job Started", 0) if polls == 1 else ("Job Running", _FINISHED * polls // needed)
    early = {1: ("Job Not Started", 0), 2: ("Job Started", 0)}
    late = {needed - 2: ("Job Running", _FINISHED), needed - 1: ("Job Completed", 95)}
    return (early | late).get(polls, ("Job Running", _FINISHED * polls // needed))


def _failure(code: int, subcode: int, message: str) -> dict[str, Any]:
    return {
        "error_code": code,
        "error_subcode": subcode,
        "error_message": message,
        "error_user_title": "Report not created",
        "error_user_msg": message,
    }


def node(run: Run) -> Row:
    """The run as Meta shows it."""
    periods = run.query.periods
    row: Row = {
        "id": run.id,
        "account_id": ids.account_id(run.query.account),
        "time_ref": run.query.instant,
        "async_status": run.status,
        "async_percent_completion": run.percent,
        "is_running": not run.over,
        "date_start": date.fromordinal(periods[0][0]).isoformat(),
        "date_stop": date.fromordinal(periods[-1][1]).isoformat(),
    }
    if run.completed is not None:
        row["time_completed"] = run.completed
    return row | (run.error or {})


def check_readable(run: Run, faults: Container[str]) -> None:
    """Check that a run can be read.

    Raises:
        GraphError: 2637 when it is not complete, 100/1815107 when the fault says that it cannot be read yet, 100/33
            when it never will be.
    """
    if run.error is not None or run.status == "Job Skipped":
        raise missing(run.id)
    if not run.over:
        raise GraphError(2637, "(#2637) The report is not complete: wait for its status to be Job Completed.")
    if NOT_READY in faults:
        raise GraphError(
            100,
            "(#100) The report is not available yet.",
            subcode=1815107,
            transient=True,
            title="Report not available",
        )
