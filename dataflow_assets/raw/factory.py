"""Stream -> Dagster asset `raw/<source>/<stream>`."""

from collections.abc import Sequence

import dagster as dg

from dataflow_assets.connectors.base import Connector, Stream
from dataflow_assets.partitions import DAILY, result_of, window_of
from dataflow_assets.raw.ddl import schema_name, system_columns
from dataflow_assets.raw.outcome import StreamReport
from dataflow_assets.raw.report import preview, summary
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.budget import Lane
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.failures import Throttled
from dataflow_assets.resources.interrupts import run_interruptibly
from dataflow_assets.windows import DayWindow

RETRIES_AFTER_A_TOLD_WAIT = 3


class RawConfig(dg.Config):
    """How one run of a raw asset reads."""

    accounts: list[str] = []  # noqa: RUF012  pydantic copies defaults. Empty: all
    full: bool = False  # entities: list everything instead of what changed
    lane: Lane = Lane.LIVE  # backfills wait for live work


def build_raw_assets(connectors: Sequence[Connector]) -> list[dg.AssetsDefinition]:
    """One asset per stream of every connector."""
    return [_asset(connector, stream) for connector in connectors for stream in connector.streams]


def asset_key(connector: Connector, stream: Stream) -> dg.AssetKey:
    """Where a stream stands in the lineage graph."""
    return dg.AssetKey(["raw", connector.name, stream.name])


def op_name(connector: Connector, stream: Stream) -> str:
    """The step of a stream's asset, to which run configuration is addressed."""
    return f"raw__{connector.name}__{stream.name}"


def _asset(connector: Connector, stream: Stream) -> dg.AssetsDefinition:
    @dg.asset(
        key=asset_key(connector, stream),
        description=stream.description,
        group_name=connector.name,
        kinds={"python", "postgres"},
        partitions_def=DAILY if stream.is_daily else None,
        backfill_policy=dg.BackfillPolicy.single_run(),
        tags={"dataflow/kind": stream.kind.value},
        metadata={
            "dagster/column_schema": table_schema(stream),
            "dagster/table_name": f"{schema_name(connector)}.{stream.name}",
            "dagster/relation_identifier": f"{schema_name(connector)}.{stream.name}",
        },
    )
    def raw_asset(
        context: dg.AssetExecutionContext, config: RawConfig, platform: PlatformResource
    ) -> dg.MaterializeResult[None]:
        return run_interruptibly(_materialize(context, config, platform))

    async def _materialize(
        context: dg.AssetExecutionContext, config: RawConfig, platform: PlatformResource
    ) -> dg.MaterializeResult[None]:
        window = window_of(context) if stream.is_daily else None
        try:
            report = await _sync(context, config, platform, window)
        except Throttled as error:
            # Already when the accounts were to be listed: nothing has been read of any.
            raise _later(context, f"{error} Nothing was read.", error.wait_seconds) from None
        for account in report.accounts:
            for name in account.unknown_fields:
                context.log.warning(f"{connector.title} has begun to send {name!r} in {stream.name}; kept in _extra.")
        metadata = {
            **summary(report, platform.get().mode),
            "preview": await preview(platform.get(), connector, stream),
        }
        if report.failed:
            # What did land is shown, even though the step is red.
            context.log_event(dg.AssetObservation(asset_key=context.asset_key, metadata=metadata))
            raise _failure(context, report)
        return result_of(context, metadata)

    async def _sync(
        context: dg.AssetExecutionContext,
        config: RawConfig,
        platform: PlatformResource,
        window: DayWindow | None,
    ) -> StreamReport:
        found = platform.get()
        ensure_schema(found)
        async with open_sync(
            found,
            connector,
            lane=config.lane,
            run_id=context.run.run_id,
            only_accounts=tuple(config.accounts),
            on_note=context.log.warning,
        ) as sync:
            # By name: landed by Airbyte, the same stream is read in another way.
            return await sync.run(
                sync.connector.stream(stream.name), window, full=config.full, again=config.lane is Lane.BACKFILL
            )

    return raw_asset


def _failure(context: dg.AssetExecutionContext, report: StreamReport) -> Exception:
    lines = [failed.error or "" for failed in report.failed]
    landed = len(report.accounts) - len(report.failed)
    text = (
        f"{len(report.failed)} of {len(report.accounts)} accounts failed; {landed} landed and are kept. "
        "Watermarks of the failed ones stay where they were; run again to go on from there.\n" + "\n".join(lines)
    )
    waits = [failed.retry_after_seconds for failed in report.failed if failed.retry_after_seconds is not None]
    if len(waits) == len(report.failed):
        return _later(context, text, max(waits))
    return dg.Failure(description=text, allow_retries=False)


def _later(context: dg.AssetExecutionContext, text: str, seconds: float) -> Exception:
    """The step again after a told wait, which holds no slot; after some tries the end."""
    # Dagster's own word for the last try that failed names no account: the last one fails in ours.
    if context.retry_number >= RETRIES_AFTER_A_TOLD_WAIT:
        return dg.Failure(description=text, allow_retries=False)
    context.log.warning(text)
    return dg.RetryRequested(max_retries=RETRIES_AFTER_A_TOLD_WAIT, seconds_to_wait=seconds)


def table_schema(stream: Stream) -> dg.TableSchema:
    """Column docs for the UI."""
    own = [
        dg.TableColumn(
            column.name,
            column.type.value,
            column.description,
            constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=False),
        )
        for column in stream.columns
    ]
    added = [
        dg.TableColumn(name, kind.removesuffix(" not null"), text)
        for name, (kind, text) in system_columns(stream).items()
    ]
    return dg.TableSchema(columns=own + added)
