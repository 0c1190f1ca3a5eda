"""The benchmarks run and print figures, of which those that count requests are judged. Times are for people to read."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import requests
from benchmarks.ingest import table

pytestmark = pytest.mark.long
ROOT = Path(__file__).parents[1]


def figures(name: str, *options: str) -> Any:
    command = [sys.executable, "-m", f"benchmarks.{name}", *options, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ingest() -> None:
    found = figures("ingest", "--rows", "2000", "--repeat", "1", "--no-rivals")
    assert found["rows"] == 2_000
    assert found["initial"] > found["copy_floor"], "It does all that the floor does, and reads the rows besides."
    assert found["killed"]["requests_of_a_restart"] == 2
    assert "| dlt, defaults | not run |" in table.show(found)


def test_requests_saved() -> None:
    found = figures("requests")
    for vendor in ("google_ads", "meta_ads", "linkedin_ads"):
        campaigns = found[vendor]["campaigns"]
        assert campaigns["rows"] > 100
        assert campaigns["requests"] <= 10
    assert found["all"]["ratio"] <= 0.05, "An hour takes at most a twentieth of a full sync."
    assert "| stripe |" in requests.show(found)


def test_aggregates() -> None:
    found = figures("aggregates", "--rows", "50000", "--repeat", "1")
    assert found["rows"] == 50_000
    assert all(query["rows"] for query in found["queries"])
    assert found["refresh"]["each"]


def test_transform() -> None:
    found = figures("transform", "--rows", "100000", "--repeat", "1")
    assert found["rows"] == 100_000
    assert [history["rows"] for history in found["histories"]] == [10_000, 100_000]
