"""dbt as a command on this project, with its artifacts in a folder of the test and no network."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dataflow_assets.resources.dbt import DBT
from dataflow_assets.resources.dbt_client import SERVER_VARIABLE
from dataflow_assets.settings import PROJECT_ROOT

DBT_DIR = PROJECT_ROOT / "dbt"
# Fails a process that opens a connection beyond this machine, and says so.
NO_NETWORK = """
import socket
connect = socket.socket.connect
def guarded(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
        raise AssertionError(f"This went to the network: {address}")
    return connect(self, address)
socket.socket.connect = guarded
"""


@dataclass(frozen=True)
class Dbt:
    """The dbt command line on the project, with its artifacts in a folder of the test and no network."""

    folder: Path
    connection: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run dbt with nothing in the environment but the connection and what is given."""
        command = [DBT, "--no-use-colors", *args]
        command += ["--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)]
        command += ["--target-path", str(self.folder / "target"), "--log-path", str(self.folder / "logs")]
        inherited = {SERVER_VARIABLE: os.environ[SERVER_VARIABLE]}  # whose fixture keeps it off the network
        return subprocess.run(
            command,
            env={**inherited, "HOME": str(self.folder), **self.connection, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.folder / "target" / "manifest.json").read_text("utf-8"))
        return manifest

    def results(self) -> dict[str, str]:
        """Status of each node of the last command, by its unique id."""
        results = json.loads((self.folder / "target" / "run_results.json").read_text("utf-8"))["results"]
        return {result["unique_id"]: result["status"] for result in results}


def dbt_connection(database_url: str) -> dict[str, str]:
    parts = urlsplit(database_url)
    return {
        "DATAFLOW_DBT_HOST": parts.hostname or "",
        "DATAFLOW_DBT_PORT": str(parts.port),
        "DATAFLOW_DBT_USER": parts.username or "",
        "DBT_ENV_SECRET_DATAFLOW_PASSWORD": parts.password or "",
        "DATAFLOW_DBT_DBNAME": parts.path.lstrip("/"),
    }
