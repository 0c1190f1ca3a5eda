"""`dataflow sandbox`: serve the sandbox by hand, and what the world of one holds.

Both run as programs of their own: the sandbox stands beside the pipeline, which never imports it.
"""

import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from dataflow_assets.resources.platform import known_sandbox_url
from dataflow_assets.settings import get_settings

NO_SERVER = 3


def run_server(options: Sequence[str]) -> int:
    """Serve until it is stopped. Returns its exit code."""
    return subprocess.call([sys.executable, "-m", "dataflow_assets.sandbox", *options])


def run_truth(
    stream: str, *, account: str | None, first: date | None, last: date | None, url: str | None, state: Path | None
) -> int:
    """Print the rows that a vendor should give, as lines of JSON. Returns the exit code: 3 when no sandbox runs."""
    where = {"--url": url, "--state": state}
    if url is None and state is None:
        where["--url"] = known_sandbox_url()
        if where["--url"] is None:
            sys.stderr.write(f"No sandbox is running. {_hint()}\n")
            return NO_SERVER
    options = {"--account": account, "--from": first, "--to": last, **where}
    told = [word for name, value in options.items() if value is not None for word in (name, str(value))]
    return subprocess.call([sys.executable, "-m", "dataflow_assets.sandbox.tell", stream, *told])


def _hint() -> str:
    state = get_settings().state_dir / "sandbox.json"
    if state.exists():
        return f"The last one left its world in a file: add --state {state}."
    return "Start one with `dataflow sandbox`, and name it with --url."
