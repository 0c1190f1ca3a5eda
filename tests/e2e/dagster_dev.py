"""`dagster dev` as a process of its own, asked through its GraphQL."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import httpx
from installation import Installation

from dataflow_assets.cli.instance import dagster_environment
from dataflow_assets.settings import PROJECT_ROOT

PATIENCE = 180.0
STOP_SECONDS = 30.0
REPOSITORY = {"repositoryLocationName": "dataflow_assets.definitions", "repositoryName": "__repository__"}
FINISHED = {"SUCCESS", "FAILURE", "CANCELED"}
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """What `look` finds, as soon as it finds something; fails when it finds nothing in time."""
    give_up_at = time.monotonic() + patience
    while time.monotonic() < give_up_at:
        if found := look():
            return found
        time.sleep(0.5)
    raise AssertionError(f"In {patience:.0f} s there was no {what}.")


class DagsterDev:
    """A running `dagster dev`."""

    def __init__(self, url: str, log: Path, environment: Mapping[str, str]) -> None:
        self.url = url
        self.log = log
        self.environment = environment

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Data of a GraphQL query. Errors fail the test."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    def launch(
        self,
        *,
        assets: list[str] | None = None,
        checks: list[tuple[str, str]] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Start a run as a click in the UI does. Returns its id."""
        selector = {
            **REPOSITORY,
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": key.split("/")} for key in assets or []],
            "assetCheckSelection": None
            if checks is None
            else [{"assetKey": {"path": key.split("/")}, "name": name} for key, name in checks],
        }
        params = {
            "selector": selector,
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
        }
        launched = self.ask(
            """mutation Launch($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
                ... on LaunchRunSuccess { run { runId } } ... on Error { message } } }""",
            params=params,
        )["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id: str = launched["run"]["runId"]
        return run_id

    def runs(self, **tags: str) -> list[dict[str, Any]]:
        """Runs, newest first; with tags only those that have them."""
        wanted = [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]
        return list(
            self.ask(
                """query Runs($filter: RunsFilter) { runsOrError(filter: $filter, limit: 50) {
                    ... on Runs { results { runId jobName status tags { key value } } } } }""",
                filter={"tags": wanted} if wanted else {},
            )["runsOrError"]["results"]
        )

    def wait_for_run(self, run_id: str) -> str:
        """How a run ended."""

        def ended() -> str | None:
            (status,) = [run["status"] for run in self.runs() if run["runId"] == run_id]
            return status if status in FINISHED else None

        return eventually(ended, f"end of run {run_id}")

    def ticks(self, sensor: str) -> int:
        """How often a sensor has been looked at."""
        found = self.ask(
            """query Ticks($selector: SensorSelector!) { sensorOrError(sensorSelector: $selector) {
                ... on Sensor { sensorState { ticks(limit: 500) { status } } } } }""",
            selector={**REPOSITORY, "sensorName": sensor},
        )
        return len([t for t in found["sensorOrError"]["sensorState"]["ticks"] if t["status"] != "STARTED"])

    def start_sensor(self, name: str) -> None:
        """Switch a sensor on."""
        answer = self.ask(
            "mutation Start($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }",
            selector={**REPOSITORY, "sensorName": name},
        )
        assert answer["startSensor"]["__typename"] == "Sensor", answer


@contextmanager
def dagster_dev(installed: Installation) -> Iterator[DagsterDev]:
    """Dagster's webserver, daemon and code server over an installation; none of their processes is left afterwards."""
    with installed.here() as platform:
        variables = dagster_environment(platform)
    port = a_free_port()
    log = installed.state_dir / "dagster_dev.log"
    environment = installed.environment(**variables, DATAFLOW_DAGSTER_URL=f"http://127.0.0.1:{port}")
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
            cwd=PROJECT_ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    running = DagsterDev(f"http://127.0.0.1:{port}", log, environment)
    try:

        def ready() -> bool:
            assert process.poll() is None, log.read_text()[-4_000:]
            with suppress(httpx.HTTPError):
                return httpx.get(f"{running.url}/server_info", timeout=5).is_success
            return False

        eventually(ready, "Dagster")
        yield running
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def a_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
