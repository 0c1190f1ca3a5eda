"""How a run gets on, from the ledger: a live line on a terminal, a plain line every ten seconds elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from rich.console import Console

from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import WarehouseError

TERMINAL_SECONDS, PLAIN_SECONDS = 0.5, 10.0


@contextmanager
def progress(platform: Platform, title: str) -> Iterator[None]:
    """Show slices, rows and requests of what runs inside. Goes to standard error."""
    console = Console(stderr=True)
    started = time.monotonic()

    def line() -> str:
        return f"{title}  {_ledger(platform, time.monotonic() - started)}"

    if not console.is_terminal:
        sys.stderr.write(f"{title}\n")
        with _repeating(lambda: sys.stderr.write(f"{line()}\n"), PLAIN_SECONDS):
            yield
        return
    with console.status(title) as status, _repeating(lambda: status.update(line()), TERMINAL_SECONDS):
        yield


@contextmanager
def _repeating(show: Callable[[], object], seconds: float) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        while not over.wait(seconds):
            show()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=5)


def _ledger(platform: Platform, seconds: float) -> str:
    try:
        with platform.warehouse.connect(autocommit=True) as connection:
            row = connection.execute(
                """
                select count(*) as slices, coalesce(sum(rows_read), 0) as rows, coalesce(sum(requests), 0) as requests,
                    (array_agg(connector || '/' || stream order by recorded_at desc))[1] as latest
                from dataflow.sync_ledger where recorded_at > now() - make_interval(secs => %s)
                """,
                (seconds,),
            ).fetchone()
    except (WarehouseError, psycopg.Error):
        return ""
    if not row or not row["slices"]:
        return f"{seconds:.0f} s"
    return f"{row['latest']}: {row['slices']} slices, {row['rows']:,} rows, {row['requests']} requests, {seconds:.0f} s"
