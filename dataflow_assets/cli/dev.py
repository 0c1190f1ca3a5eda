"""`dataflow dev`: Dagster UI and daemon over the private servers and the sandbox, until Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import httpx

from dataflow_assets.cli.instance import use_instance
from dataflow_assets.cli.output import console
from dataflow_assets.embedded import stop_if_unused
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.settings import PROJECT_ROOT

READY_SECONDS = 120
STOP_SECONDS = 5


def run_dev(port: int) -> int:
    """Start everything, print the addresses, wait. Returns the exit code of Dagster, or 0 after Ctrl-C."""
    platform = get_platform()
    ensure_schema(platform)
    use_instance(platform)
    _let_the_world_run(platform)
    os.environ["DATAFLOW_DAGSTER_URL"] = f"http://127.0.0.1:{port}"
    # A session of its own: Ctrl-C reaches us alone, and we stop the children in order.
    dagster = subprocess.Popen(
        [sys.executable, "-m", "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=PROJECT_ROOT,
        start_new_session=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    stopping = _on_signals()
    try:
        if _wait_until_ready(port, dagster, stopping):
            console.print(f"\n[bold]Dagster UI[/]  http://127.0.0.1:{port}", highlight=False)
            console.print(f"[bold]Warehouse[/]   {platform.warehouse.address}", highlight=False)
            if platform.sandbox_url:
                console.print(f"[bold]Sandbox[/]     {platform.sandbox_url} (all figures are made up)", highlight=False)
            console.print("Ctrl-C stops everything.\n")
        while dagster.poll() is None and not stopping:
            time.sleep(0.2)
        return 0 if stopping else dagster.returncode or 0
    finally:
        _stop(dagster)
        _stop_private_servers(platform)


def _stop_private_servers(platform: Platform) -> None:
    if platform.lease is not None:
        platform.lease.release()
        stop_if_unused(platform.settings.state_dir)


def _let_the_world_run(platform: Platform) -> None:
    if platform.sandbox_url:
        world = {"now": datetime.now(UTC).isoformat(), "speed": 1.0}
        httpx.post(f"{platform.sandbox_url}/_sandbox/clock", json=world).raise_for_status()


def _on_signals() -> list[int]:
    received: list[int] = []
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda number, _frame: received.append(number))
    return received


def _wait_until_ready(port: int, dagster: subprocess.Popen[bytes], stopping: list[int]) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and dagster.poll() is None and not stopping:
        try:
            httpx.get(f"http://127.0.0.1:{port}/server_info", timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.5)
        else:
            return True
    return False


def _stop(dagster: subprocess.Popen[bytes]) -> None:
    # Webserver and daemon end on SIGTERM. Dagster's code servers then wait for a heartbeat that cannot come, up to 45
    # seconds; they hold nothing, and end with the group.
    if dagster.poll() is None:
        dagster.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            dagster.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(dagster.pid, signal.SIGKILL)
    dagster.wait()
