"""Aggregates -> Dagster assets `metrics/<name>`, each with checks that it equals its source."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from dataflow_assets.aggregates.between import families
from dataflow_assets.aggregates.buckets import named
from dataflow_assets.aggregates.policies import apply_policies, missing_reason, retention_horizons
from dataflow_assets.aggregates.refresh import Refreshed, refresh_days
from dataflow_assets.aggregates.registry import SCHEMA, Aggregate, Kept
from dataflow_assets.aggregates.state import in_words, standing
from dataflow_assets.aggregates.sweep import Swept, sweep
from dataflow_assets.aggregates.trailing import Trailing, refresh_trailing, sweep_trailing, trailings
from dataflow_assets.partitions import DAILY, every_day, result_of, window_of
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.touched import settle, waiting

CHECK = "equals_source"
SWEEP_CHECK = "equals_source_throughout"


class TouchedConfig(dg.Config):
    """Which of the run's days are carried on."""

    only_touched: bool = False  # true: all days whose rows changed; false: every day of the run's partitions


def asset_key(aggregate: Kept) -> dg.AssetKey:
    """Where an aggregate stands in the lineage graph."""
    return dg.AssetKey([SCHEMA, aggregate.name])


def build_aggregate_assets(aggregates: Sequence[Aggregate]) -> dg.AssetsDefinition:
    """All aggregates as one step, so that a changed day is done once every one of them has it."""
    functions = {part: family.function for family in families(aggregates) for part in family.parts}
    on_top = trailings(aggregates)
    everything: list[Kept] = [*aggregates, *on_top]

    @dg.multi_asset(
        name="aggregates",
        specs=[
            *(_spec(aggregate, functions.get(aggregate)) for aggregate in aggregates),
            *(_trailing_spec(trailing) for trailing in on_top),
        ],
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=asset_key(kept),
                description=f"Row for row the same as {kept.source} grouped anew, in the refreshed buckets.",
            )
            for kept in everything
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
        selected_on_top = [t for t in on_top if asset_key(t) in context.selected_asset_keys]
        today = datetime.now(UTC).date()
        with found.warehouse.connect(autocommit=True) as connection:
            if not apply_policies(connection, found.settings):
                context.log.info(f"Facts stay rows and are kept for ever: {missing_reason(connection)}.")
            horizons = retention_horizons(connection, found.settings, today)
            touches = waiting(connection, "facts", every_day() if config.only_touched else window)
            days = touches.days if config.only_touched else touches.days | set(window.days)
            for done in (
                *refresh_days(found.warehouse, selected, sorted(days), horizons),
                *refresh_trailing(found.warehouse, selected_on_top),
            ):
                yield from _results(context, done, in_words(standing(connection, done.aggregate), today))
            if not context.is_subset:
                settle(connection, touches)

    return aggregate_assets


def build_sweep_checks(aggregates: Sequence[Aggregate]) -> dg.AssetChecksDefinition:
    """The sweep: every aggregate compared with its source over a long time, and repaired where it differs."""
    on_top = trailings(aggregates)
    everything: list[Kept] = [*aggregates, *on_top]

    @dg.multi_asset_check(
        name="sweep_aggregates",
        specs=[
            dg.AssetCheckSpec(
                SWEEP_CHECK,
                asset=asset_key(kept),
                description=f"Row for row the same as {kept.source} grouped anew, as far back as the sweep goes.",
            )
            for kept in everything
        ],
        can_subset=True,
    )
    def sweep_aggregates(
        context: dg.AssetCheckExecutionContext, platform: PlatformResource
    ) -> Iterator[dg.AssetCheckResult]:
        found = platform.get()
        ensure_schema(found)
        asked = {key.asset_key for key in context.selected_asset_check_keys}
        selected = [a for a in aggregates if asset_key(a) in asked]
        selected_on_top = [t for t in on_top if asset_key(t) in asked]
        today = datetime.now(UTC).date()
        since = today - timedelta(days=found.settings.storage.sweep_days)
        with found.warehouse.connect() as connection:
            horizons = retention_horizons(connection, found.settings, today)
        for swept in sweep(found.warehouse, selected, since, horizons):
            yield _swept(swept)
        for swept in sweep_trailing(found.warehouse, selected_on_top):
            yield _swept(swept)

    return sweep_aggregates


def sweep_checks(aggregates: Sequence[Aggregate]) -> list[dg.AssetCheckKey]:
    """Keys of the checks that are the sweep."""
    everything: list[Kept] = [*aggregates, *trailings(aggregates)]
    return [dg.AssetCheckKey(asset_key(kept), SWEEP_CHECK) for kept in everything]


def _spec(aggregate: Aggregate, function: str | None) -> dg.AssetSpec:
    sql = [aggregate.select, *([aggregate.ratios_select] if aggregate.ratios else [])]
    return dg.AssetSpec(
        key=asset_key(aggregate),
        deps=[dg.AssetKey(aggregate.source.split("."))],
        description=aggregate.description,
        group_name="metrics",
        kinds={"timescaledb", "postgres"},
        metadata={
            "dagster/table_name": aggregate.relation,
            "sql": dg.MetadataValue.md("\n".join(f"```sql\n{text}\n```" for text in sql)),
            **({"view_with_ratios": aggregate.ratios_relation} if aggregate.ratios_relation else {}),
            **({"sums_between_two_days": f"{function}(first_day, last_day)"} if function else {}),
        },
        skippable=True,
    )


def _trailing_spec(trailing: Trailing) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=asset_key(trailing),
        deps=[asset_key(part) for part in trailing.family.parts],
        description=trailing.description,
        group_name="metrics",
        kinds={"postgres"},
        metadata={
            "dagster/table_name": trailing.relation,
            "sql": dg.MetadataValue.md(f"```sql\n{trailing.select}\n```"),
            **({"view_with_ratios": trailing.ratios_relation} if trailing.ratios_relation else {}),
        },
        skippable=True,
    )


def _results(
    context: dg.AssetExecutionContext, done: Refreshed, stands: dict[str, Any]
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    key = asset_key(done.aggregate)
    refreshed = ", ".join(str(window) for window in done.windows) or "nothing had changed"
    repaired, stale = named(done.repaired), named(done.stale)
    yield result_of(
        context,
        {
            "engine": done.backend,
            "refreshed": refreshed,
            "days_refreshed": sum(len(window.days) for window in done.windows),
            "rows_in_window": done.rows,
            "made_anew": done.recreated,
            **({"repaired": repaired} if repaired else {}),
            **({"left_alone_before_retention_horizon": named(done.left_alone)} if done.left_alone else {}),
            **stands,
        },
        key,
    )
    by_force = f" {repaired} only after a second refresh, by force." if repaired else ""
    yield dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not done.stale,
        description=(
            f"Differs from {done.aggregate.source} on {stale}, also after a refresh by force."
            if stale
            else f"Equal over {refreshed}.{by_force}"
        ),
        metadata={"stale_buckets": stale} if stale else {"compared": refreshed, "repaired": repaired or "none"},
    )


def _swept(swept: Swept) -> dg.AssetCheckResult:
    repaired, stale, source = named(swept.repaired), named(swept.stale), swept.aggregate.source
    if stale:
        text = f"Differs from {source} on {stale}, also after a refresh by force."
    elif repaired:
        text = f"Differed from {source} on {repaired}; repaired. Readers have seen wrong figures of these until now."
    else:
        text = f"Equal over {swept.window or 'nothing: there is none'}."
    return dg.AssetCheckResult(
        asset_key=asset_key(swept.aggregate),
        check_name=SWEEP_CHECK,
        passed=not stale and not repaired,
        severity=dg.AssetCheckSeverity.ERROR if stale else dg.AssetCheckSeverity.WARN,
        description=text,
        metadata={"compared": str(swept.window or "nothing"), "repaired": repaired or "none", "stale": stale or "none"},
    )
