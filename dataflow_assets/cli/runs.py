"""Runs a job of the lineage graph in this process, shows how it gets on, and says how it ended."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from dataflow_assets.automation.reasons import step_reason
from dataflow_assets.cli.instance import use_instance
from dataflow_assets.partitions import range_tags
from dataflow_assets.resources.dbt import DBT_DIR, TARGET, connect_dbt
from dataflow_assets.resources.dbt_server import warm_dbt
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.redact import redact
from dataflow_assets.windows import DayWindow

STATEMENT_TIMEOUT_MS = 600_000
QUIET_LOGS: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class RunOutcome:
    """How a run ended. `failures` are readable sentences, redacted."""

    run_id: str
    job: str
    success: bool
    seconds: float
    checks_passed: int = 0
    checks_failed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # checks that tell of something and fail nothing
    failures: list[str] = field(default_factory=list)


def run_job(
    platform: Platform,
    job_name: str,
    *,
    window: DayWindow | None,
    selection: Sequence[dg.AssetKey] | None = None,
    run_config: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
) -> RunOutcome:
    """Run a job here and now; its history is kept in the installation's Dagster instance."""
    use_instance(platform)
    connect_dbt(platform.warehouse.database_url)
    log = platform.settings.state_dir / "log" / "dbt.log"
    started = time.monotonic()
    with warm_dbt(DBT_DIR, platform.settings.state_dir / TARGET), dg.DagsterInstance.get() as instance:
        from dataflow_assets.definitions import defs  # noqa: PLC0415  takes seconds, and must see the instance

        job = defs.resolve_job_def(job_name)
        # Without this Dagster opens a connection to PostgreSQL for every event it stores.
        instance.optimize_for_webserver(STATEMENT_TIMEOUT_MS, pool_recycle=3_600, max_overflow=20)
        with _dbt_output_to(log):
            result = job.execute_in_process(
                instance=instance,
                asset_selection=list(selection) if selection is not None else None,
                tags={**(range_tags(window) if window else {}), **(tags or {})},
                run_config={**(run_config or {}), **QUIET_LOGS},
                raise_on_error=False,
            )
    outcome = RunOutcome(result.run_id, job_name, result.success, time.monotonic() - started)
    for evaluation in result.get_asset_check_evaluations():
        if evaluation.passed:
            outcome.checks_passed += 1
        else:
            name = f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
            line = redact(": ".join(part for part in (name, evaluation.description) if part), platform.secrets)
            is_warning = evaluation.severity == dg.AssetCheckSeverity.WARN
            (outcome.warnings if is_warning else outcome.checks_failed).append(line)
    for event in result.all_events:
        if event.is_step_failure:
            if _is_interruption(event):
                raise KeyboardInterrupt  # Dagster has taken Ctrl-C for itself and ended the run
            outcome.failures.append(redact(f"{event.step_key}: {step_reason(event)}", platform.secrets))
    return outcome


@contextmanager
def _dbt_output_to(path: Path) -> Iterator[None]:
    # dagster-dbt echoes dbt to standard output, which is for results; it is in Dagster's run log too.
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as log, redirect_stdout(log):
        yield


def _is_interruption(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == dg.DagsterExecutionInterruptedError.__name__
