"""Assembles what Dagster loads. No logic: each folder builds its own part. Loading touches no network and no server."""

import dagster as dg

from dataflow_assets.aggregates.factory import build_aggregate_assets, build_sweep_checks
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.automation.alerts import build_alert_sensors
from dataflow_assets.automation.jobs import JOBS
from dataflow_assets.automation.schedules import build_schedules
from dataflow_assets.automation.sensors import build_sensors
from dataflow_assets.checks.raw_checks import build_raw_checks
from dataflow_assets.connectors import active_connectors
from dataflow_assets.raw.factory import build_raw_assets
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.dbt import dbt_project, dbt_resource
from dataflow_assets.settings import get_settings
from dataflow_assets.transform.dbt_assets import build_dbt_assets

_connectors = active_connectors(get_settings())
_project = dbt_project()

defs = dg.Definitions(
    assets=[
        *build_raw_assets(_connectors),
        *build_dbt_assets(_project),
        build_aggregate_assets(all_aggregates()),
    ],
    asset_checks=[*build_raw_checks(_connectors), build_sweep_checks(all_aggregates())],
    jobs=JOBS,
    schedules=build_schedules(),
    sensors=[*build_sensors(_connectors), *build_alert_sensors()],
    resources={"platform": PlatformResource(), "dbt": dbt_resource(_project)},
    # A process per step costs seconds of imports and gains nothing: a step waits for a vendor or for PostgreSQL.
    executor=dg.in_process_executor,
)
