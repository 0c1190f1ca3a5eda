"""What happens without being asked: vendors are read, every night and by day; aggregates are compared once a week."""

import asyncio
from datetime import UTC, datetime

import dagster as dg

from dataflow_assets.automation.jobs import SWEEP, SYNC
from dataflow_assets.automation.windows import sync_window, today_window
from dataflow_assets.partitions import range_tags
from dataflow_assets.resources.dagster import PlatformResource


def build_schedules() -> list[dg.ScheduleDefinition]:
    """Nightly, intraday and weekly. All are off until switched on in the UI."""

    @dg.schedule(job=SYNC, cron_schedule="0 4 * * *", execution_timezone="UTC")
    def nightly(context: dg.ScheduleEvaluationContext, platform: PlatformResource) -> dg.RunRequest:
        """Reads again every day that may still change, since vendors correct their figures for weeks."""
        window = asyncio.run(sync_window(platform.get(), on_trouble=context.log.warning))
        return dg.RunRequest(run_key=None, tags=range_tags(window))

    @dg.schedule(job=SYNC, cron_schedule="15 6-22/2 * * *", execution_timezone="UTC")
    def intraday(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        """Reads the running day. Watermarks stay: the day is not complete."""
        now = context.scheduled_execution_time or datetime.now(UTC)
        return dg.RunRequest(run_key=None, tags=range_tags(today_window(now)))

    weekly_sweep = dg.ScheduleDefinition(
        name="weekly_sweep",
        job=SWEEP,
        cron_schedule="30 5 * * 0",
        execution_timezone="UTC",
        description="Finds and repairs aggregates that differ from their facts, whatever made them differ.",
    )
    return [nightly, intraday, weekly_sweep]
