"""The sandbox as a child of the supervisor, with a stand-in that only answers the health page."""

import http.client
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from seen_from_outside import eventually, listens, pid, supervisors

from dataflow_assets.embedded import EmbeddedError, acquire, status
from dataflow_assets.embedded.layout import StateDir
from dataflow_assets.embedded.locks import is_locked
from dataflow_assets.embedded.ports import Ports
from dataflow_assets.embedded.sandbox_server import RESTARTS, Sandbox

STUB = [sys.executable, "-S", str(Path(__file__).with_name("stub_sandbox.py")), "{port}", "{state_dir}"]


def health(url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        connection.request("GET", "/_sandbox/health")
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_starts_with_the_servers_is_seen_by_all_and_comes_back_after_a_kill(used_state_dir: Path) -> None:
    with acquire(used_state_dir, sandbox_command=STUB) as lease, acquire(used_state_dir) as bystander:
        assert health(lease.endpoints.sandbox_url) == 200
        assert bystander.endpoints == lease.endpoints
        killed = pid(used_state_dir, "sandbox")
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: not listens(lease.endpoints.sandbox_url) or pid(used_state_dir, "sandbox") != killed)
        with acquire(used_state_dir, sandbox_command=STUB) as again:
            assert again.endpoints == lease.endpoints
            assert health(again.endpoints.sandbox_url) == 200
        assert pid(used_state_dir, "sandbox") != killed
        assert len(supervisors(used_state_dir)) == 1


def test_a_broken_command_is_an_error_for_who_asked_and_a_later_caller_can_still_get_one(used_state_dir: Path) -> None:
    broken = [sys.executable, "-c", "raise SystemExit('no such world')", "{port}"]
    with acquire(used_state_dir) as lease:
        started = supervisors(used_state_dir)
        with pytest.raises(EmbeddedError, match=r"(?s)sandbox ended with exit code 1.*sandbox\.log.*no such world"):
            acquire(used_state_dir, sandbox_command=broken)
        assert status(used_state_dir) == lease.endpoints
        with acquire(used_state_dir, sandbox_command=STUB) as other:
            assert health(other.endpoints.sandbox_url) == 200
        assert supervisors(used_state_dir) == started


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Sandbox, StateDir, list[float]]]:
    """A sandbox without the rest of the supervisor, on a clock of the test, asked to start."""
    state = StateDir(tmp_path)
    state.logs.mkdir()
    state.sandbox_request.write_text(json.dumps(STUB), "utf-8")
    now = [0.0]
    sandbox = Sandbox(state, Ports(state.ports), clock=lambda: now[0])
    yield sandbox, state, now
    sandbox.stop()
    assert not is_locked(state.sandbox_lock)


def comes_back(sandbox: Sandbox, state: StateDir) -> bool:
    """Kill the running sandbox; whether it is restarted."""
    os.kill(int(state.sandbox_lock.read_text("utf-8")), signal.SIGKILL)
    eventually(lambda: sandbox.tick() or sandbox.port is None)
    eventually(lambda: sandbox.tick() or not sandbox.starting)
    return sandbox.port is not None


def test_after_five_deaths_within_a_minute_it_stays_down_with_an_error(
    asked: tuple[Sandbox, StateDir, list[float]],
) -> None:
    sandbox, state, _now = asked
    eventually(lambda: sandbox.tick() or sandbox.port)
    assert all(comes_back(sandbox, state) for _ in range(RESTARTS))
    assert not comes_back(sandbox, state)
    assert "exit code -9" in state.sandbox_error.read_text("utf-8")
    assert not state.sandbox_request.exists()


def test_rare_deaths_are_always_answered_with_a_restart(asked: tuple[Sandbox, StateDir, list[float]]) -> None:
    sandbox, state, now = asked
    eventually(lambda: sandbox.tick() or sandbox.port)
    for _ in range(RESTARTS + 2):
        now[0] += 20  # three a minute
        assert comes_back(sandbox, state)
