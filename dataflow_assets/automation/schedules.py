"""When vendors are read without being asked: every night the days that still change, by day the running one."""

import asyncio
from datetime import UTC, datetime

import dagster as dg

from dataflow_assets.automation.jobs import SYNC
from dataflow_assets.automation.windows import sync_window, today_window
from dataflow_assets.partitions import range_tags
from dataflow_assets.resources.dagster import PlatformResource


def build_schedules() -> list[dg.ScheduleDefinition]:
    """Nightly and intraday. Both are off until switched on in the UI."""

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

    return [nightly, intraday]
