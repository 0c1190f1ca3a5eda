"""Refreshes exactly the touched buckets, parent before child, and compares each with its source. No Dagster here."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from dataflow_assets.aggregates.backends import Backend, backend_for, give_room
from dataflow_assets.aggregates.between import ensure_functions
from dataflow_assets.aggregates.buckets import widened
from dataflow_assets.aggregates.compare import count_rows, stale_within
from dataflow_assets.aggregates.making import ensure, exclusive, source_range
from dataflow_assets.aggregates.registry import Aggregate, Kept
from dataflow_assets.resources.warehouse import Connection, Warehouse
from dataflow_assets.windows import DayWindow

NO_HORIZONS: Mapping[str, date] = MappingProxyType({})


@dataclass(frozen=True)
class Refreshed:
    """What was done to one aggregate. Buckets are named by their first days."""

    aggregate: Kept
    backend: str
    windows: tuple[DayWindow, ...]
    recreated: bool  # filled whole: it was new, or its definition or its parent was
    repaired: tuple[date, ...]  # buckets that were right only after they had been computed by force
    stale: tuple[date, ...]  # buckets that still differ from the source: always a fault
    rows: int  # in the refreshed windows
    left_alone: tuple[date, ...] = ()  # touched days before the retention horizon


def refresh_days(
    warehouse: Warehouse,
    aggregates: Sequence[Aggregate],
    days: Collection[date],
    horizons: Mapping[str, date] = NO_HORIZONS,
) -> list[Refreshed]:
    """Bring the buckets of these days up to date in every aggregate given, which must be ordered parents first.

    An aggregate that is new or whose definition changed is filled whole. `horizons` gives the first day that is kept of
    each fact that is not kept for ever. Days before it are left alone: what an aggregate remembers of them, the fact
    may have dropped.

    Raises: FaultyServer, HistoryAtRisk.
    """
    with warehouse.connect(autocommit=True) as connection:
        backend = backend_for(connection)
        give_room(connection)
        results = []
        for aggregate in aggregates:
            horizon = horizons.get(aggregate.source)
            left_alone = () if horizon is None else tuple(sorted(day for day in days if day < horizon))
            with exclusive(connection, aggregate):
                recreated = ensure(connection, backend, aggregate, horizon)
                everything = source_range(connection, aggregate) if recreated else None
                if recreated:
                    windows = _spanning(everything, aggregate.bucket) if everything else []
                else:
                    windows = widened(set(days).difference(left_alone), aggregate.bucket)
                for window in windows:
                    (backend.fill if recreated else backend.refresh)(connection, aggregate, window)
                repaired, stale = verify(connection, backend, aggregate, windows)
                rows = sum(count_rows(connection, aggregate, window) for window in windows)
                remember(connection, aggregate, is_whole=recreated, is_equal=not stale)
            results.append(
                Refreshed(aggregate, backend.name, tuple(windows), recreated, repaired, stale, rows, left_alone)
            )
        ensure_functions(connection, aggregates)
        return results


def verify(
    connection: Connection, backend: Backend, aggregate: Aggregate, windows: Sequence[DayWindow]
) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """Compare the windows with the source, and compute by force what differs. Returns what that mended, and what not.

    A bucket can be stale although nothing failed: an engine can miss a change, or the source has changed since.
    """
    found = stale_within(connection, aggregate, windows)
    if not found:
        return (), ()
    again = widened(found, aggregate.bucket)
    for window in again:
        backend.refresh(connection, aggregate, window, force=True)
    stale = stale_within(connection, aggregate, again)
    return tuple(day for day in found if day not in stale), tuple(stale)


def remember(connection: Connection, aggregate: Kept, *, is_whole: bool, is_equal: bool) -> None:
    """Note that the aggregate was refreshed now, wholly or in part, and whether it was found equal to its source."""
    connection.execute(
        """
        update dataflow.aggregates
        set refreshed_at = now(), filled_at = case when %s then now() else filled_at end,
            verified_at = case when %s then now() else verified_at end
        where name = %s
        """,
        (is_whole, is_equal, aggregate.name),
    )


def _spanning(window: DayWindow, bucket: str) -> list[DayWindow]:
    first, last = widened([window.start], bucket)[0], widened([window.days[-1]], bucket)[0]
    return [DayWindow(first.start, last.end)]
