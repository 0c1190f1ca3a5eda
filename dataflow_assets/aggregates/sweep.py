"""Compares whole aggregates with their sources and repairs what differs, whatever made it so. No Dagster here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dataflow_assets.aggregates.backends import backend_for, give_room
from dataflow_assets.aggregates.buckets import bucket_of, first_whole
from dataflow_assets.aggregates.making import ensure, exclusive, source_range, stored_range
from dataflow_assets.aggregates.refresh import NO_HORIZONS, remember, verify
from dataflow_assets.aggregates.registry import Aggregate, Kept
from dataflow_assets.resources.warehouse import Connection, Warehouse
from dataflow_assets.windows import DayWindow

SLICE_DAYS = 93  # compared at once: bounds memory, and how long a repair keeps others from the aggregate


@dataclass(frozen=True)
class Swept:
    """What a sweep found in one aggregate. Buckets are named by their first days."""

    aggregate: Kept
    window: DayWindow | None  # compared; None: there was nothing
    repaired: tuple[date, ...]  # were stale and are right now
    stale: tuple[date, ...]  # differ from the source


def sweep(
    warehouse: Warehouse,
    aggregates: Sequence[Aggregate],
    since: date | None = None,
    horizons: Mapping[str, date] = NO_HORIZONS,
) -> Iterator[Swept]:
    """Compare every whole bucket from `since` on, or all there are, and repair those that differ, parents first.

    `horizons` gives the first day that is kept of each fact that is not kept for ever: before it an aggregate knows
    more than its fact, so nothing there is compared or touched.

    Raises: FaultyServer, HistoryAtRisk.
    """
    with warehouse.connect(autocommit=True) as connection:
        backend = backend_for(connection)
        give_room(connection)
        for aggregate in aggregates:
            horizon = horizons.get(aggregate.source)
            with exclusive(connection, aggregate):
                is_new = ensure(connection, backend, aggregate, horizon)
                # A new one holds nothing that could be lost, and is filled whole.
                window = _window(connection, aggregate, [] if is_new else [d for d in (since, horizon) if d])
            repaired: list[date] = []
            stale: list[date] = []
            for part in _slices(window, aggregate.bucket) if window else ():
                # Let go between slices: a refresh need not wait for the whole sweep.
                with exclusive(connection, aggregate):
                    mended, still = verify(connection, backend, aggregate, [part])
                repaired += mended
                stale += still
            remember(connection, aggregate, is_whole=is_new, is_equal=not stale)
            yield Swept(aggregate, window, tuple(repaired), tuple(stale))


def _window(connection: Connection, aggregate: Aggregate, bounds: Sequence[date]) -> DayWindow | None:
    """Whole buckets that the source or the aggregate holds: a day that only one of them has is a difference too."""
    found = [w for w in (source_range(connection, aggregate), stored_range(connection, aggregate)) if w]
    if not found:
        return None
    bucket = aggregate.bucket
    start = bucket_of(min(w.start for w in found), bucket).start
    end = bucket_of(max(w.days[-1] for w in found), bucket).end
    start = max([start, *(first_whole(bound, bucket) for bound in bounds)])
    return DayWindow(start, end) if start < end else None


def _slices(window: DayWindow, bucket: str) -> Iterator[DayWindow]:
    start = window.start
    while start < window.end:
        end = min(bucket_of(start + timedelta(days=SLICE_DAYS), bucket).end, window.end)
        yield DayWindow(start, end)
        start = end
