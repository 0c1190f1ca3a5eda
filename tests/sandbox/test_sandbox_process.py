"""The sandbox as a process of its own: started, stopped, and started again on the same world."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sandbox_process import PATIENCE, run_to_its_end, serving

from dataflow_assets.sandbox.scenario import names
from dataflow_assets.sandbox.server import listen


def test_it_says_where_it_listens_and_stops_cleanly_when_asked() -> None:
    with serving("--now", "2026-04-01T00:00:00", "--speed", "0", "--accounts", "2", "--campaigns", "3") as process:
        health = process.get("/_sandbox/health").json()
        assert health["now"] == "2026-04-01T00:00:00Z"
        assert (health["world"]["meta_accounts"], health["world"]["campaigns_per_account"]) == (2, 3)
        process.child.send_signal(signal.SIGTERM)
        _, errors = process.child.communicate(timeout=PATIENCE)
        assert (process.child.returncode, errors) == (0, "")


def test_every_size_of_the_world_can_be_set() -> None:
    sizes = ("--accounts", "2", "--campaigns", "3", "--ad-sets", "4", "--ads", "5", "--customers", "8")
    with serving("--now", "2026-04-01T00:00:00", "--days", "90", "--seed", "3", *sizes) as process:
        world = process.get("/_sandbox/health").json()["world"]
    assert world == {
        "start": "2025-11-02",
        "days": 90,
        "seed": 3,
        "meta_accounts": 2,
        "google_accounts": 2,
        "linkedin_accounts": 2,
        "stripe_accounts": 1,
        "hubspot_portals": 1,
        "customers_per_day": 8,
        "campaigns_per_account": 3,
        "ad_sets_per_campaign": 4,
        "ads_per_ad_set": 5,
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--accounts", "0"), "meta_accounts must lie between 1 and 9999, not 0"),
        (("--speed", "-1"), "World time does not run backward"),
        (("--scenario", "storm"), "There is no scenario 'storm'; known: account_paused, "),
    ],
)
def test_a_world_that_cannot_be_is_named_and_nothing_is_written(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    ended = run_to_its_end("--port", "0", "--state", str(tmp_path / "state.json"), *options)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_scenarios_are_listed() -> None:
    ended = run_to_its_end("--list-scenarios")
    assert ended.returncode == 0
    titles = dict(line.split(": ") for line in ended.stdout.splitlines() if not line.startswith(" "))
    assert list(titles) == names()
    assert titles["token_revoked"] == "A token is taken back"


def test_a_scenario_brings_world_time_and_faults_and_options_win_over_it() -> None:
    with serving("--scenario", "one_account_fails_of_ten", "--speed", "0") as process:
        assert process.first_line["now"] == "2026-05-31T12:00:00+00:00"
        assert process.get("/_sandbox/health").json()["world"]["meta_accounts"] == 10
        assert [rule["fault"] for rule in process.get("/_sandbox/faults").json()] == ["revoked_account"]
    options = ("--now", "2026-06-01T00:00:00", "--accounts", "5", "--start", "2026-01-02")
    with serving("--scenario", "one_account_fails_of_ten", "--speed", "0", *options) as process:
        assert process.first_line["now"] == "2026-06-01T00:00:00+00:00"
        world = process.get("/_sandbox/health").json()["world"]
        assert (world["meta_accounts"], world["google_accounts"], world["start"]) == (5, 5, "2026-01-02")
        assert [rule["fault"] for rule in process.get("/_sandbox/faults").json()] == ["revoked_account"]


def test_a_restart_keeps_the_clock_and_puts_the_scenario_in_force_again(tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    options = ("--scenario", "token_revoked", "--state", state, "--speed", "0")
    with serving(*options) as process:
        httpx.post(f"{process.url}/_sandbox/clock", json={"advance_seconds": 7_200})
    with serving(*options) as process:
        assert process.first_line["now"] == "2026-05-31T14:00:00+00:00"
        (rule,) = process.get("/_sandbox/faults").json()
        assert (rule["fault"], rule["since"]) == ("revoked_token", "2026-05-31T13:00:00Z")
    other = run_to_its_end("--port", "0", "--state", state, "--scenario", "one_account_fails_of_ten")
    assert other.returncode == 2
    assert "needs another world: one with meta_accounts=10" in other.stderr


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
    ended = run_to_its_end("--port", "0", "--state", str(state))
    assert ended.returncode == 2
    assert "does not hold the state of a sandbox" in ended.stderr
    assert "moons" in state.read_text()


def test_a_port_that_is_taken_is_named() -> None:
    with serving() as process:
        port = process.url.rpartition(":")[2]
        ended = run_to_its_end("--port", port)
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
