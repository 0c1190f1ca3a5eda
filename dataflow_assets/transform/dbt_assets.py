"""dbt models as Dagster assets: views and dimensions in one step, facts by day in another."""

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg
from dagster_dbt import DbtProject, dbt_assets

from dataflow_assets.partitions import DAILY, every_day, result_of, window_of
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.dbt import (
    InstalledDbt,
    build_windows,
    connect_dbt,
    definitions_digest,
    prune_artifacts,
)
from dataflow_assets.resources.touched import pass_on, waiting
from dataflow_assets.resources.warehouse import Connection
from dataflow_assets.transform.columns import Columns, Translator, from_metadata, keep, known_columns
from dataflow_assets.windows import contiguous

# With what reads them, such as views over facts: the first step would otherwise have to wait for the second.
FACTS = "config.incremental_strategy:replace_range+"
VIEWS = "transform_models"
# Unit tests judge the SQL, not the data: they run with the tests of this repository.
BUILD = ("build", "--exclude-resource-type", "unit_test")
# Views change with their definitions, not with data.
ONLY_TABLES = (*BUILD, "--exclude-resource-type", "seed", "--exclude", "config.materialized:view")


class TouchedConfig(dg.Config):
    """How much is built."""

    # True: the days whose raw rows changed, also those before the run's partitions, of a deal corrected late; false:
    # every day of the run's partitions.
    only_touched: bool = False


def build_dbt_assets(project: DbtProject) -> list[dg.AssetsDefinition]:
    """The two steps of the dbt project.

    Dagster plans a run over days by the partitions of the step whose name is the last in the alphabet: were that one of
    days, every view and dimension would be planned once per day, 8,000 events for 90 days. Hence `transform_models`.
    """
    translator = Translator(known_columns())

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        exclude=FACTS,
        name=VIEWS,
        dagster_dbt_translator=translator,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def transform_models(
        context: dg.AssetExecutionContext, config: TouchedConfig, dbt: InstalledDbt, platform: PlatformResource
    ) -> Iterator[Any]:
        found = platform.get()
        ensure_schema(found)
        connect_dbt(found.warehouse.database_url)
        with found.warehouse.connect(autocommit=True) as connection:
            if config.only_touched and _are_columns_known(context) and not _is_changed(connection):
                yield from _in_order(context, list(_build(context, dbt, ONLY_TABLES)))
            else:
                yield from _build(context, dbt, BUILD)
            if not context.is_subset:
                _remember(connection)

    @dbt_assets(
        manifest=project.manifest_path,
        project=project,
        select=FACTS,
        name="transform_facts",
        dagster_dbt_translator=translator,
        partitions_def=DAILY,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def transform_facts(
        context: dg.AssetExecutionContext,
        config: TouchedConfig,
        dbt: InstalledDbt,
        platform: PlatformResource,
    ) -> Iterator[Any]:
        found = platform.get()
        ensure_schema(found)
        connect_dbt(found.warehouse.database_url)
        window = window_of(context)
        with found.warehouse.connect(autocommit=True) as connection:
            touches = waiting(connection, "raw", every_day() if config.only_touched else window)
            days = touches.days if config.only_touched else touches.days | frozenset(window.days)
            if not days:
                context.log.info("No day has changed: the facts are left as they are.")
                yield from _in_order(context, [])
                return
            with build_windows(contiguous(days)):
                yield from _build(context, dbt, BUILD)
            if not context.is_subset:
                pass_on(connection, touches, days)

    return [transform_models, transform_facts]


def _build(context: dg.AssetExecutionContext, dbt: InstalledDbt, args: Sequence[str]) -> Iterator[Any]:
    found: Columns = {}
    is_known = _are_columns_known(context)
    stream = dbt.model_copy(update={"looks_at_tables": not is_known}).cli(args, context=context).stream()
    for event in stream if is_known else stream.fetch_column_metadata():
        if isinstance(event, dg.Output):
            key = context.assets_def.keys_by_output_name[event.output_name]
            if columns := from_metadata(event.metadata):
                found[key.to_user_string()] = columns
            yield event.with_metadata(dict(result_of(context, event.metadata, key).metadata or {}))
        else:
            yield event
    keep(found)
    prune_artifacts()


def _are_columns_known(context: dg.AssetExecutionContext) -> bool:
    return {key.to_user_string() for key in context.selected_asset_keys} <= known_columns().keys()


def _is_changed(connection: Connection) -> bool:
    row = connection.execute("select digest from dataflow.dbt_builds where step = %s", (VIEWS,)).fetchone()
    return row is None or row["digest"] != definitions_digest()


def _remember(connection: Connection) -> None:
    connection.execute(
        """
        insert into dataflow.dbt_builds (step, digest) values (%s, %s)
        on conflict (step) do update set digest = excluded.digest, built_at = now()
        """,
        (VIEWS, definitions_digest()),
    )


def _in_order(context: dg.AssetExecutionContext, events: Sequence[Any]) -> Iterator[Any]:
    """The events of a build of some of the step's assets, with all others said to be there, parents before children.

    What is not said to be there makes Dagster skip everything below it, and it takes assets only in this order.
    """
    names = context.assets_def.keys_by_output_name
    built = {names[event.output_name]: event for event in events if isinstance(event, dg.Output)}
    for key in TopologicalSorter(context.assets_def.asset_deps).static_order():
        if key in built:
            yield built[key]
        elif key in context.selected_asset_keys:
            yield dg.MaterializeResult(asset_key=key, metadata={"built": False})
    yield from (event for event in events if not isinstance(event, dg.Output))
