"""Aggregates -> Dagster assets `metrics/<name>`, each with a check that it equals its source."""

from collections.abc import Iterator, Sequence

import dagster as dg

from dataflow_assets.aggregates.refresh import Refreshed, refresh_days
from dataflow_assets.aggregates.registry import SCHEMA, Aggregate
from dataflow_assets.partitions import DAILY, window_of
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.touched import settle, waiting

CHECK = "equals_source"


class TouchedConfig(dg.Config):
    """Which of the run's days are carried on."""

    only_touched: bool = False  # true: the days whose rows changed; false: every day of the run's partitions


def asset_key(aggregate: Aggregate) -> dg.AssetKey:
    """Where an aggregate stands in the lineage graph."""
    return dg.AssetKey([SCHEMA, aggregate.name])


def build_aggregate_assets(aggregates: Sequence[Aggregate]) -> dg.AssetsDefinition:
    """All aggregates as one step, so that a changed day is done once every one of them has it."""

    @dg.multi_asset(
        name="aggregates",
        specs=[_spec(aggregate) for aggregate in aggregates],
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=asset_key(aggregate),
                description=f"Row for row the same as {aggregate.source} grouped anew, in the refreshed buckets.",
            )
            for aggregate in aggregates
        ],
        partitions_def=DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
        can_subset=True,
    )
    def aggregate_assets(
        context: dg.AssetExecutionContext, config: TouchedConfig, platform: PlatformResource
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        found = platform.get()
        ensure_schema(found)
        window = window_of(context)
        selected = [a for a in aggregates if asset_key(a) in context.selected_asset_keys]
        with found.warehouse.connect(autocommit=True) as connection:
            touches = waiting(connection, "facts", window)
            days = touches.days if config.only_touched else touches.days | set(window.days)
            for done in refresh_days(found.warehouse, selected, sorted(days)):
                yield from _results(done)
            if len(selected) == len(aggregates):
                settle(connection, touches)

    return aggregate_assets


def _spec(aggregate: Aggregate) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=asset_key(aggregate),
        deps=[dg.AssetKey(aggregate.source.split("."))],
        description=aggregate.description,
        group_name="metrics",
        kinds={"timescaledb", "postgres"},
        metadata={
            "dagster/table_name": aggregate.relation,
            "sql": dg.MetadataValue.md(f"```sql\n{aggregate.select}\n```"),
        },
        skippable=True,
    )


def _results(done: Refreshed) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    key = asset_key(done.aggregate)
    refreshed = ", ".join(str(window) for window in done.windows) or "nothing had changed"
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={
            "engine": done.backend,
            "refreshed": refreshed,
            "days_refreshed": sum(len(window.days) for window in done.windows),
            "rows_in_window": done.rows,
            "made_anew": done.recreated,
        },
    )
    stale = ", ".join(day.isoformat() for day in done.stale)
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not done.stale,
        description=f"Differs from {done.aggregate.source} on {stale}." if stale else f"Equal over {refreshed}.",
        metadata={"stale_buckets": stale} if stale else {"compared": refreshed},
    )
