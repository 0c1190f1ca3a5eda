"""The sandbox as a process of its own, for tests."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

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


def run_to_its_end(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "dataflow_assets.sandbox", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
