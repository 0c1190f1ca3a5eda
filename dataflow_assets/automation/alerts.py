"""One readable message per run that went wrong: a failed step, or a check that failed in a run that did not."""

import time
from collections.abc import Sequence

import dagster as dg

from dataflow_assets.automation.reasons import step_reason
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.redact import redact
from dataflow_assets.resources.slack import SlackRefused, SlackUnavailable, escape, post

MOST_LINES = 12
LONGEST_LINE = 400
EVERY_SECONDS = 15


def build_alert_sensors() -> list[dg.SensorDefinition]:
    """Sensors that tell Slack. On from the start; without a webhook they only write to the log."""

    @dg.run_failure_sensor(
        name="alert_on_failed_run",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY_SECONDS,
    )
    def alert_on_failed_run(context: dg.RunFailureSensorContext, platform: PlatformResource) -> None:
        """A run failed: which accounts, which steps, what to do."""
        _tell(context, platform.get(), _failed_steps(context) + _failed_checks(context))

    # Dagster ends a run green when a check that does not block fails, and calls no failure sensor for it.
    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="alert_on_failed_check",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=EVERY_SECONDS,
    )
    def alert_on_failed_check(context: dg.RunStatusSensorContext, platform: PlatformResource) -> None:
        """A check failed in a run that is green all the same."""
        if lines := _failed_checks(context):
            _tell(context, platform.get(), lines)

    return [alert_on_failed_run, alert_on_failed_check]


def _failed_steps(context: dg.RunFailureSensorContext) -> list[str]:
    lines = [
        f"*{escape(event.step_key or '')}*: {escape(_line(step_reason(event)))}"
        for event in context.get_step_failure_events()
    ]
    return lines or [escape(_line(context.failure_event.message or "the run failed without saying why"))]


def _failed_checks(context: dg.RunStatusSensorContext) -> list[str]:
    records = context.instance.get_records_for_run(
        context.dagster_run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    events = [record.event_log_entry.dagster_event for record in records]
    evaluations = [event.asset_check_evaluation_data for event in events if event is not None]
    return [
        f"*{escape(e.asset_key.to_user_string())}* check {escape(e.check_name)}: {escape(_line(e.description or ''))}"
        for e in evaluations
        if not e.passed and e.severity == dg.AssetCheckSeverity.ERROR
    ]


def _line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_LINE else flat[: LONGEST_LINE - 1] + "…"


def _tell(context: dg.RunStatusSensorContext, platform: Platform, lines: Sequence[str]) -> None:
    run = context.dagster_run
    sandbox = " (sandbox)" if platform.mode == "sandbox" else ""
    title = f"DataFlow{sandbox}: {run.job_name} needs a look"
    shown = [f"• {line}" for line in lines[:MOST_LINES]]
    if len(lines) > MOST_LINES:
        shown.append(f"and {len(lines) - MOST_LINES} more")
    link = f"{platform.settings.dagster_url}/runs/{run.run_id}"
    # The link comes first: of a message that is too long for Slack the end is cut off.
    body = redact("\n".join([f"<{link}|Open the run>", *shown]), platform.secrets)
    webhook = platform.settings.slack_webhook_url
    if webhook is None:
        context.log.warning(f"{title}\n{body}")
        return
    try:
        post(webhook.get_secret_value(), title, body, sleep=time.sleep)
    except (SlackUnavailable, SlackRefused) as error:
        # Slack being away must never stop the pipeline; the message is not lost, it is in the log.
        context.log.warning(f"Slack did not take this message: {error}\n{title}\n{body}")
