"""Alerts: what Slack is told of a run that went wrong, and what happens when Slack does not listen."""

from collections.abc import Iterator
from types import SimpleNamespace

import dagster as dg
import pytest
from installation import Installation
from slack_receiver import Slack, slack_receiver

from dataflow_assets.automation import alerts
from dataflow_assets.automation.alerts import LONGEST_LINE, MOST_LINES, build_alert_sensors
from dataflow_assets.connectors import connector
from dataflow_assets.raw.factory import _asset
from dataflow_assets.resources.dagster import PlatformResource

SENSORS = {sensor.name: sensor for sensor in build_alert_sensors()}
META = connector("meta_ads")
HOOK_SECRET = "T0/B0/hook-secret-11"
TOKEN = "sandbox-token"


@dg.asset
def broken() -> None:
    raise dg.Failure("1 of 2 accounts failed.\n\n  Account <!channel> & <b> refused.", allow_retries=False)


@dg.asset
def crashes() -> None:
    raise ValueError(f"{TOKEN}: access_token=EAAB-9f8e went wrong at postgresql://me:pw-77@host/db")


@dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="checked") for name in ("bad", "poor", "good")])
def checked():  # type: ignore[no-untyped-def]  # noqa: ANN201  Dagster takes the annotation for one of the outputs
    return dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(check_name="bad", passed=False, description="spend: below 0\n(for example '-1')"),
            dg.AssetCheckResult(check_name="poor", passed=False, severity=dg.AssetCheckSeverity.WARN),
            dg.AssetCheckResult(check_name="good", passed=True),
        ]
    )


@dg.asset(check_specs=[dg.AssetCheckSpec("fine", asset="well")])
def well():  # type: ignore[no-untyped-def]  # noqa: ANN201  as above
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="fine", passed=True)])


def failing(count: int) -> list[dg.AssetsDefinition]:
    def one(n: int) -> dg.AssetsDefinition:
        @dg.asset(name=f"asset_{n:02}")
        def asset() -> None:
            raise dg.Failure(f"number {n} " + "x" * 1_000, allow_retries=False)

        return asset

    return [one(n) for n in range(count)]


@pytest.fixture
def slack(installed: Installation) -> Iterator[Slack]:
    with slack_receiver(HOOK_SECRET) as slack:
        installed.settings["DATAFLOW_SLACK_WEBHOOK_URL"] = slack.url
        installed.settings["DATAFLOW_DAGSTER_URL"] = "http://dagster.test:3000"
        yield slack


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds the alerts have waited, which in a test they do not."""
    waits: list[float] = []
    monkeypatch.setattr(alerts, "time", SimpleNamespace(sleep=waits.append))
    return waits


def alert(installed: Installation, instance: dg.DagsterInstance, *assets: dg.AssetsDefinition) -> str:
    """Run assets and let the sensor hear how the run ended that Dagster would call. Returns the run's id."""
    result = dg.materialize(list(assets), instance=instance, raise_on_error=False)
    event = result.get_run_success_event() if result.success else result.get_run_failure_event()
    with installed.there():
        context = dg.build_run_status_sensor_context(
            sensor_name="alert",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=event,
            resources={"platform": PlatformResource()},
        )
        if result.success:
            SENSORS["alert_on_failed_check"](context)
        else:
            SENSORS["alert_on_failed_run"](context.for_run_failure())
    return result.run_id


def test_a_failed_run_is_told_with_its_step_the_reason_and_the_way_there(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack
) -> None:
    run_id = alert(installed, instance, broken)
    (message,) = slack.messages
    title, link, line = message.splitlines()
    assert title.startswith("DataFlow (sandbox): ")
    assert link == f"<http://dagster.test:3000/runs/{run_id}|Open the run>"
    assert line.startswith("• *broken*: 1 of 2 accounts failed. Account ")


def test_names_from_vendors_call_nobody(installed: Installation, instance: dg.DagsterInstance, slack: Slack) -> None:
    alert(installed, instance, broken)
    (message,) = slack.messages
    assert "Account &lt;!channel&gt; &amp; &lt;b&gt; refused." in message
    assert "<!channel>" not in message


def test_law_13_secrets_in_a_reason_are_masked(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack
) -> None:
    alert(installed, instance, crashes)
    (message,) = slack.messages
    assert "*crashes*" in message
    assert "went wrong" in message
    for secret in (TOKEN, "EAAB-9f8e", "pw-77"):
        assert secret not in message


def test_a_failed_check_of_a_green_run_is_told_and_a_warning_is_not(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack
) -> None:
    alert(installed, instance, checked)
    (message,) = slack.messages
    assert "• *checked* check bad: spend: below 0 (for example '-1')" in message
    assert "poor" not in message
    assert "good" not in message


def test_a_failed_check_of_a_failed_run_is_in_the_same_message(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack
) -> None:
    alert(installed, instance, broken, checked)
    (message,) = slack.messages
    assert "*broken*" in message
    assert "*checked* check bad" in message


def test_a_green_run_tells_nobody(installed: Installation, instance: dg.DagsterInstance, slack: Slack) -> None:
    alert(installed, instance, well)
    assert slack.requests == []


def test_many_failures_make_one_message_that_slack_accepts_and_that_keeps_its_link(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack
) -> None:
    run_id = alert(installed, instance, *failing(MOST_LINES + 3))
    ((_, status, body),) = slack.requests
    assert status == 200
    assert all(len(block["text"]["text"]) <= 3_000 for block in body["blocks"])
    (message,) = slack.messages
    assert f"/runs/{run_id}|Open the run>" in message
    assert max(len(line) for line in message.splitlines()) <= LONGEST_LINE + len("• *asset_00*: ")


def test_few_enough_failures_are_counted_to_the_end(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "MOST_LINES", 2)
    alert(installed, instance, *failing(5))
    (message,) = slack.messages
    assert message.splitlines()[-1] == "and 3 more"


def test_slack_is_asked_again_after_the_time_it_told(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack, slept: list[float]
) -> None:
    slack.answers += [(429, {"retry-after": "7"}), (503, {})]
    alert(installed, instance, broken)
    assert slept == [7.0, 1.0]
    assert len(slack.messages) == 1


@pytest.mark.usefixtures("slept")
@pytest.mark.parametrize("status", [429, 500])
def test_a_slack_that_stays_away_fails_nothing_and_the_message_is_in_the_log(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    slack.answers += [(status, {})] * 9
    alert(installed, instance, broken)
    assert len(slack.requests) == 3
    assert_in_log(capsys, "Slack did not take this message")


def test_a_webhook_that_was_withdrawn_is_asked_once(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack, capsys: pytest.CaptureFixture[str]
) -> None:
    slack.answers += [(404, {})] * 9
    alert(installed, instance, broken)
    assert len(slack.requests) == 1
    assert_in_log(capsys, "Check DATAFLOW_SLACK_WEBHOOK_URL.")


def test_without_a_webhook_the_message_is_in_the_log(
    installed: Installation, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    alert(installed, instance, broken)
    assert_in_log(capsys, "1 of 2 accounts failed")


def assert_in_log(capsys: pytest.CaptureFixture[str], words: str) -> None:
    said = capsys.readouterr()
    assert words in said.out + said.err
    assert HOOK_SECRET not in said.out + said.err


def test_an_account_that_stays_throttled_is_named(
    installed: Installation, instance: dg.DagsterInstance, slack: Slack
) -> None:
    installed.settings["DATAFLOW_MAX_INLINE_WAIT_SECONDS"] = "0.2"
    installed.sandbox.fault("throttle_17_2446079", endpoint="campaigns", seconds=1)
    campaigns = META.stream("campaigns")
    with installed.there():
        asset = dg.with_resources([_asset(META, campaigns)], {"platform": PlatformResource()})[0]
        alert(installed, instance, asset)
    (message,) = slack.messages
    assert "account 9200000000000" in message
    assert "User request limit reached" in message
