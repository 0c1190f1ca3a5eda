"""The daily partitions every report, fact and aggregate shares, and their windows."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import dagster as dg

from dataflow_assets.settings import get_settings
from dataflow_assets.windows import ONE_DAY, DayWindow

# end_offset=1: the running day is a partition too, so that intraday figures have a place.
DAILY = dg.DailyPartitionsDefinition(start_date=get_settings().partitions_start.isoformat(), end_offset=1)


def window_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> DayWindow:
    """The days of this run's partitions. A partition key names a report day of each account's own time zone."""
    keys = context.partition_key_range
    return DayWindow(date.fromisoformat(keys.start), date.fromisoformat(keys.end) + ONE_DAY)


def every_day() -> DayWindow:
    """From the first partition to the running day (UTC)."""
    return DayWindow(DAILY.start.date(), datetime.now(UTC).date() + ONE_DAY)


def result_of(
    context: dg.AssetExecutionContext, metadata: Mapping[str, Any], key: dg.AssetKey | None = None
) -> dg.MaterializeResult[None]:
    """The result of an asset, its metadata told once: of a partitioned asset by the newest partition of the run.

    Dagster writes what a result carries to the history of every partition: a first sync of 90 days wrote it 90 times,
    18 MB in all.
    """
    key = key or context.asset_key
    if context.assets_def.get_asset_spec(key).partitions_def is None:
        return dg.MaterializeResult(asset_key=key, metadata=metadata)
    context.add_asset_metadata(metadata, asset_key=key, partition_key=context.partition_key_range.end)
    return dg.MaterializeResult(asset_key=key)


def range_tags(window: DayWindow) -> dict[str, str]:
    """Run tags that make one run cover every partition of a window."""
    return {
        "dagster/asset_partition_range_start": window.start.isoformat(),
        "dagster/asset_partition_range_end": (window.end - ONE_DAY).isoformat(),
    }
