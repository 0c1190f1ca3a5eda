"""`dataflow sandbox`: serving stays what it is without a subcommand; `truth` prints what the world of one holds."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from installation import Completed, bare_environment, run

from dataflow_assets.embedded import acquire
from dataflow_assets.sandbox import state
from dataflow_assets.sandbox.testing import RunningSandbox

DATAFLOW = (sys.executable, "-m", "dataflow_assets.cli.main", "sandbox")
NOWHERE = "http://127.0.0.1:9"
ACCOUNT = "920000000000011"


def sandbox(folder: Path, *args: str, **changes: str) -> Completed:
    """The command in an installation of its own, of which nothing runs."""
    return run(*DATAFLOW, *args, env={**bare_environment(), "DATAFLOW_STATE_DIR": str(folder / "state"), **changes})


def rows(done: Completed) -> list[Any]:
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def told(world: RunningSandbox, stream: str, **query: Any) -> list[Any]:
    found: list[Any] = json.loads(json.dumps(world.truth(*stream.split("/"), **query)))
    assert found
    return found


def test_the_truth_of_a_running_sandbox_by_account_and_days(tmp_path: Path, world: RunningSandbox) -> None:
    days = ("--from", "2026-05-01", "--to", "2026-05-03")
    done = sandbox(tmp_path, "truth", "meta_ads/insights_ad", "--account", ACCOUNT, *days, "--url", f"{world.url}/")
    expected = told(world, "meta_ads/insights_ad", account=ACCOUNT, first=date(2026, 5, 1), last=date(2026, 5, 3))
    assert rows(done) == expected


def test_the_truth_of_the_configured_sandbox(tmp_path: Path, world: RunningSandbox) -> None:
    done = sandbox(tmp_path, "truth", "meta_ads/campaigns", DATAFLOW_SANDBOX__URL=world.url)
    assert rows(done) == told(world, "meta_ads/campaigns")


def test_the_truth_of_the_private_sandbox_while_it_runs(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    served = [sys.executable, "-m", "dataflow_assets.sandbox", "--port", "{port}", "--speed", "0", "--campaigns", "2"]
    with acquire(folder, sandbox_command=served, grace_seconds=0) as lease:
        url = lease.endpoints.sandbox_url
        there = httpx.get(f"{url}/_sandbox/truth/meta_ads/campaigns").text
        done = sandbox(tmp_path, "truth", "meta_ads/campaigns")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == there
        assert len(there.splitlines()) == 8


def test_the_truth_of_a_state_file_needs_nothing_that_runs(tmp_path: Path, world: RunningSandbox) -> None:
    file = tmp_path / "saved.json"
    state.save(file, world.config, world.clock)
    done = sandbox(tmp_path, "truth", "linkedin_ads/analytics_campaign", "--to", "2026-01-20", "--state", str(file))
    assert rows(done) == told(world, "linkedin_ads/analytics_campaign", last=date(2026, 1, 20))
    assert not (tmp_path / "state").exists(), "looking makes no folder"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("meta_ads",), "'meta_ads' is no vendor and stream, like meta_ads/ads"),
        (("metta/ads",), "There is no vendor 'metta'"),
        (("meta_ads/adverts",), "has no stream or account 'adverts'"),
        (("meta_ads/ads", "--account", "1"), "has no stream or account '1'"),
    ],
)
@pytest.mark.parametrize("place", ["url", "state"])
def test_a_stream_or_account_that_is_none_ends_with_2(
    tmp_path: Path, world: RunningSandbox, args: tuple[str, ...], says: str, place: str
) -> None:
    file = tmp_path / "saved.json"
    state.save(file, world.config, world.clock)
    where = ("--url", world.url) if place == "url" else ("--state", str(file))
    done = sandbox(tmp_path, "truth", *args, *where)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--state", "nowhere.json"), "There is no file nowhere.json"),
        (("--state", str(Path(__file__))), "does not hold the state of a sandbox"),
        (("--state", "a", "--url", "b"), "not from both"),
        (("--url", "sandbox:8900"), "sandbox:8900 is no address of a sandbox"),
        (("--from", "yesterday"), "'yesterday' is not a day like"),
    ],
)
def test_wrong_use_ends_with_2(tmp_path: Path, args: tuple[str, ...], says: str) -> None:
    done = sandbox(tmp_path, "truth", "meta_ads/ads", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_sandbox_it_ends_with_3_and_starts_none(tmp_path: Path) -> None:
    done = sandbox(tmp_path, "truth", "meta_ads/ads")
    assert (done.returncode, done.stdout) == (3, "")
    assert "No sandbox is running. Start one with `dataflow sandbox`" in done.stderr
    assert list(tmp_path.iterdir()) == []
    away = sandbox(tmp_path, "truth", "meta_ads/ads", "--url", NOWHERE)
    assert away.returncode == 3
    assert f"No sandbox answers at {NOWHERE}" in away.stderr


def test_the_state_that_the_last_private_sandbox_left_is_named(tmp_path: Path) -> None:
    left = tmp_path / "state" / "sandbox.json"
    left.parent.mkdir()
    left.write_text("{}")
    done = sandbox(tmp_path, "truth", "meta_ads/ads")
    assert done.returncode == 3
    assert f"add --state {left}" in done.stderr


@contextmanager
def answering(status: int, body: bytes, promised: int) -> Iterator[str]:
    """A server that is no sandbox, or one that dies after some bytes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Be silent."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_answer_that_breaks_off_ends_with_1(tmp_path: Path) -> None:
    with answering(200, b'{"id": "1"}\n', promised=1_000) as url:
        done = sandbox(tmp_path, "truth", "meta_ads/ads", "--url", url)
    assert (done.returncode, done.stdout) == (1, '{"id": "1"}\n')
    assert "what was printed is not all" in done.stderr


def test_something_else_at_the_address_ends_with_3(tmp_path: Path) -> None:
    with answering(404, b"", promised=0) as url:
        done = sandbox(tmp_path, "truth", "meta_ads/ads", "--url", url)
    assert done.returncode == 3
    assert f"What answers at {url} is no sandbox: status 404" in done.stderr


def test_a_reader_who_has_seen_enough_is_no_error(tmp_path: Path, world: RunningSandbox) -> None:
    file = tmp_path / "saved.json"
    state.save(file, world.config, world.clock)
    command = [*DATAFLOW, "truth", "meta_ads/insights_ad", "--state", str(file)]
    child = subprocess.Popen(command, env=bare_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["account_id"] == ACCOUNT
    child.stdout.close()
    assert child.stderr is not None
    errors = child.stderr.read()
    child.stderr.close()
    assert (child.wait(60), errors) == (0, "")


@pytest.mark.parametrize("word", [(), ("serve",)])
def test_without_a_subcommand_it_serves(tmp_path: Path, word: tuple[str, ...]) -> None:
    done = sandbox(tmp_path, *word, "--list-scenarios")
    assert done.returncode == 0
    assert "token_revoked: " in done.stdout
    unknown = sandbox(tmp_path, *word, "--moons", "2")
    assert unknown.returncode == 2
    assert "unrecognized arguments: --moons 2" in unknown.stderr


def test_help_tells_of_both(tmp_path: Path) -> None:
    shown = sandbox(tmp_path, "--help").stdout
    assert "serve" in shown
    assert "truth" in shown
    assert "--list-scenarios" in sandbox(tmp_path, "serve", "--help").stdout
