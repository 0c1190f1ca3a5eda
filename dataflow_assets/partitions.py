"""The daily partitions every report, fact and aggregate shares, and their windows."""

from datetime import date

import dagster as dg

from dataflow_assets.settings import get_settings
from dataflow_assets.windows import ONE_DAY, DayWindow

# end_offset=1: the running day is a partition too, so that intraday figures have a place.
DAILY = dg.DailyPartitionsDefinition(start_date=get_settings().partitions_start.isoformat(), end_offset=1)


def window_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> DayWindow:
    """The days of this run's partitions. A partition key names a report day of each account's own time zone."""
    keys = context.partition_key_range
    return DayWindow(date.fromisoformat(keys.start), date.fromisoformat(keys.end) + ONE_DAY)


def range_tags(window: DayWindow) -> dict[str, str]:
    """Run tags that make one run cover every partition of a window."""
    return {
        "dagster/asset_partition_range_start": window.start.isoformat(),
        "dagster/asset_partition_range_end": (window.end - ONE_DAY).isoformat(),
    }
