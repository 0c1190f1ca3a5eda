"""Dagster's home and storage for this installation, for commands and for whatever they start."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.settings import PROJECT_ROOT

STORAGE_VARIABLE = "DATAFLOW_DAGSTER_STORAGE_URL"
SCHEMA = "dagster"


def storage_url(database_url: str) -> str:
    """The warehouse's address for Dagster: psycopg 2 by name, and its own schema.

    Its commits need not wait for the disk: what a crash could cost is the last moments of the UI's history, never data.
    A plain postgresql:// address makes SQLAlchemy 2.1 look for psycopg 3's dialect, which Dagster does not use.
    """
    parts = urlsplit(database_url)
    query = "&".join(
        part for part in (parts.query, f"options=-csearch_path%3D{SCHEMA}%20-csynchronous_commit%3Doff") if part
    )
    return urlunsplit(("postgresql+psycopg2", parts.netloc, parts.path, query, ""))


def dagster_environment(platform: Platform) -> dict[str, str]:
    """Variables that make every Dagster process of this installation use one instance. Prepares home and schema."""
    home = platform.settings.dagster_home or platform.settings.state_dir / "dagster_home"
    _prepare_home(home)
    with platform.warehouse.connect(autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(hashtextextended('dataflow.dagster_schema', 0))")
        connection.execute(f"create schema if not exists {SCHEMA}")
    return {
        "DAGSTER_HOME": str(home),
        STORAGE_VARIABLE: storage_url(platform.warehouse.database_url),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        # A run over 90 days plans thousands of materializations; one by one that takes longer than the run.
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
    }


def use_instance(platform: Platform) -> None:
    """Make this process use the installation's Dagster instance."""
    os.environ.update(dagster_environment(platform))


def _prepare_home(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists():  # somebody's own settings are left alone
        shutil.copyfile(PROJECT_ROOT / "deploy" / "dagster.yaml", target)


def print_environment() -> int:
    """Print export lines for a shell, the servers' addresses among them. Returns the exit code."""
    platform = get_platform()
    values = {
        "DATABASE_URL": platform.warehouse.database_url,
        "REDIS_URL": platform.redis_url,
        **dagster_environment(platform),
    }
    if platform.sandbox_url:
        values["DATAFLOW_SANDBOX__URL"] = platform.sandbox_url
    for name, value in values.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0
