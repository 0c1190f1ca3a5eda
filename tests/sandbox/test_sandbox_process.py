"""The sandbox as a process of its own: started, stopped, and started again on the same world."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from dataflow_assets.sandbox.server import listen

PATIENCE = 30


class Process:
    """A running sandbox."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self.child = child
        assert child.stdout is not None
        self.first_line = json.loads(child.stdout.readline())
        self.url = f"http://127.0.0.1:{self.first_line['port']}"

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}")

    def truth(self) -> str:
        return self.get("/_sandbox/truth/meta_ads/campaigns").text


@contextmanager
def serving(*options: str) -> Iterator[Process]:
    command = [sys.executable, "-m", "dataflow_assets.sandbox", "--port", "0", *options]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ)
    try:
        yield Process(child)
    finally:
        child.kill()
        child.communicate(timeout=PATIENCE)


def test_it_says_where_it_listens_and_stops_cleanly_when_asked() -> None:
    with serving("--now", "2026-04-01T00:00:00", "--speed", "0", "--accounts", "2", "--campaigns", "3") as process:
        health = process.get("/_sandbox/health").json()
        assert health["now"] == "2026-04-01T00:00:00Z"
        assert (health["world"]["meta_accounts"], health["world"]["campaigns_per_account"]) == (2, 3)
        process.child.send_signal(signal.SIGTERM)
        _, errors = process.child.communicate(timeout=PATIENCE)
        assert (process.child.returncode, errors) == (0, "")


def test_it_stops_also_while_an_answer_is_held_back() -> None:
    with serving() as process:
        httpx.post(f"{process.url}/_sandbox/faults", json=[{"fault": "slow", "seconds": 600}])
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{process.url}/meta/v26.0/me", params={"access_token": "sandbox-token"}, timeout=0.3)
        process.child.send_signal(signal.SIGTERM)
        process.child.communicate(timeout=PATIENCE)
        assert process.child.returncode == 0


def test_a_restart_goes_on_with_the_saved_world_and_clock_whatever_the_options_say(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with serving("--state", str(state), "--now", "2026-04-01T00:00:00", "--speed", "0", "--seed", "11") as process:
        answer = httpx.post(f"{process.url}/_sandbox/clock", json={"advance_seconds": 86_400})
        assert answer.json()["now"] == "2026-04-02T00:00:00Z"
        before = process.truth()
        # Killed, not stopped: what was saved has to be enough.
    with serving("--state", str(state), "--now", "2027-01-01T00:00:00", "--seed", "12") as process:
        assert process.first_line["now"] == "2026-04-02T00:00:00+00:00"
        assert process.get("/_sandbox/health").json()["speed"] == 0
        assert process.truth() == before
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_file_that_is_no_state_is_left_alone(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text('{"world": {"start": "2026-01-01", "moons": 2}, "clock": {}}')
    command = [sys.executable, "-m", "dataflow_assets.sandbox", "--port", "0", "--state", str(state)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert "does not hold the state of a sandbox" in ended.stderr
    assert "moons" in state.read_text()


def test_a_port_that_is_taken_is_named() -> None:
    with serving() as process:
        port = process.url.rpartition(":")[2]
        command = [sys.executable, "-m", "dataflow_assets.sandbox", "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ended.returncode == 2
        assert f"Cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_the_listener_says_that_it_is_tcp_so_that_answers_are_not_held_back() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_the_sandbox_needs_nothing_else_of_the_package() -> None:
    code = (
        "import sys, dataflow_assets.sandbox.__main__, dataflow_assets.sandbox.testing\n"
        "print(sorted(name for name in sys.modules if name.startswith('dataflow_assets.')\n"
        "             and not name.startswith('dataflow_assets.sandbox')), 'dagster' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "[] False"
