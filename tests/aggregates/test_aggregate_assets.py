"""The aggregates as Dagster has them: a step that refreshes, checks that compare, and a sweep."""

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import facts
import pytest
from facts import REVENUE, differing

from dataflow_assets.aggregates.factory import CHECK, build_aggregate_assets, build_sweep_checks, sweep_checks
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.trailing import trailings
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Connection, Warehouse
from dataflow_assets.settings import Settings, StorageSettings

AGGREGATES = all_aggregates()
TRAILING = trailings(AGGREGATES)
DAY = date(2026, 5, 20)
THING = {"account_id": "s", "channel": "direct", "currency": "EUR"}


@pytest.fixture
def platform(warehouse: Warehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """What the assets of this test get: as far back as there are facts, whenever this runs."""
    settings = Settings(state_dir=tmp_path, storage=StorageSettings(sweep_days=36_500))
    found = Platform(settings=settings, warehouse=warehouse, redis_url="", mode="sandbox", sandbox_url=None)
    monkeypatch.setattr(PlatformResource, "get", lambda _self: found)
    return found


def materialize() -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [build_aggregate_assets(AGGREGATES)], partition_key=f"{DAY}", resources={"platform": PlatformResource()}
    )


def swept() -> dict[str, dg.AssetCheckEvaluation]:
    defs = dg.Definitions(
        assets=[build_aggregate_assets(AGGREGATES)],
        asset_checks=[build_sweep_checks(AGGREGATES)],
        jobs=[dg.define_asset_job("sweep", selection=dg.AssetSelection.checks(*sweep_checks(AGGREGATES)))],
        resources={"platform": PlatformResource()},
    )
    result = defs.resolve_job_def("sweep").execute_in_process()
    assert result.success
    return {evaluation.asset_key.path[-1]: evaluation for evaluation in result.get_asset_check_evaluations()}


def test_every_aggregate_is_materialized_and_compared(platform: Platform, connection: Connection, engine: str) -> None:
    facts.put(connection, REVENUE, DAY, THING, {"gross": 12, "transactions": 1})
    result = materialize()
    checks = result.get_asset_check_evaluations()
    assert {(c.check_name, c.passed) for c in checks} == {(CHECK, True)}
    assert len(checks) == len(AGGREGATES) + len(TRAILING)
    (made,) = result.asset_materializations_for_node("aggregates")[:1]
    told: dict[str, Any] = {key: value.value for key, value in made.metadata.items()}
    assert (told["engine"], told["dagster/row_count"], told["window"]) == (engine, 0, "empty")
    weekly = next(
        m
        for m in result.asset_materializations_for_node("aggregates")
        if m.asset_key.path[-1] == "weekly_revenue_metrics"
    )
    assert weekly.metadata["window"].value == "2026-05-18...2026-05-18"
    assert weekly.metadata["newest_day"].value == f"{DAY}"


def test_the_sweep_warns_of_what_it_had_to_repair_and_is_content_the_next_time(
    platform: Platform, connection: Connection
) -> None:
    materialize()
    facts.put(connection, REVENUE, DAY, THING, {"gross": 12})
    found = swept()
    assert len(found) == len(AGGREGATES) + len(TRAILING)
    month = found["monthly_revenue_metrics"]
    assert (month.passed, month.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert month.description == (
        "Differed from metrics.daily_revenue_metrics on 2026-05-01; repaired. "
        "Readers have seen wrong figures of these until now."
    )
    assert {name for name, check in found.items() if not check.passed} == {
        f"{prefix}_revenue_metrics" for prefix in facts.BUCKETS
    }
    assert differing(connection) == []
    assert {check.passed for check in swept().values()} == {True}
