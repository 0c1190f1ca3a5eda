"""Refreshes exactly the touched buckets, parent before child, and compares each with its source. No Dagster here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dataflow_assets.aggregates.backends import (
    backend_for,
    count_rows,
    ensure,
    exclusive,
    source_range,
    stale_buckets,
)
from dataflow_assets.aggregates.registry import Aggregate
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.windows import DayWindow, contiguous


@dataclass(frozen=True)
class Refreshed:
    """What was done to one aggregate."""

    aggregate: Aggregate
    backend: str
    windows: tuple[DayWindow, ...]
    recreated: bool
    stale: tuple[date, ...]  # buckets that still differ from the source: always a fault
    rows: int  # in the refreshed windows


def refresh_days(
    warehouse: Warehouse, aggregates: Sequence[Aggregate], days: Sequence[date] | frozenset[date]
) -> list[Refreshed]:
    """Bring the buckets of these days up to date in every aggregate given, which must be ordered parents first.

    An aggregate that is new or whose definition changed is filled whole. Raises FaultyServer.
    """
    with warehouse.connect(autocommit=True) as connection:
        backend = backend_for(connection)
        results = []
        remade: set[str] = set()
        for aggregate in aggregates:
            with exclusive(connection, aggregate):
                # A parent that was dropped took its children along.
                recreated = ensure(connection, backend, aggregate) or aggregate.parent in remade
                if recreated:
                    remade.add(aggregate.name)
                everything = source_range(connection, aggregate) if recreated else None
                windows = ([everything] if everything else []) if recreated else contiguous(days)
                for window in windows:
                    backend.refresh(connection, aggregate, window)
                stale = [day for window in windows for day in stale_buckets(connection, aggregate, window)]
                rows = sum(count_rows(connection, aggregate, window) for window in windows)
                connection.execute(
                    """
                    update dataflow.aggregates
                    set refreshed_at = now(), verified_at = case when %s then now() else verified_at end
                    where name = %s
                    """,
                    (not stale, aggregate.name),
                )
            results.append(Refreshed(aggregate, backend.name, tuple(windows), recreated, tuple(stale), rows))
        return results
