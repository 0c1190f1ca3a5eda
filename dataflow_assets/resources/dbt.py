"""dbt: its project, its connection, and which days a run builds."""

import fcntl
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dagster import AssetKey
from dagster_dbt import DbtCliResource, DbtProject
from packaging.version import Version

from dataflow_assets.resources.platform import known_database_url
from dataflow_assets.settings import PROJECT_ROOT, get_settings
from dataflow_assets.windows import ONE_DAY, DayWindow

DBT_DIR = PROJECT_ROOT / "dbt"
# This environment's, activated or not, and no other that may be on PATH.
DBT = os.fspath(Path(sys.executable).parent / "dataflow-dbt")
PARTS = ("models", "macros", "tests", "seeds", "snapshots")
WINDOWS_VARIABLE = "DATAFLOW_BUILD_WINDOWS"
TARGET = "dbt"  # below the state directory and not in the checkout: two installations may share one
ARTIFACTS_KEPT = 20
_OF_A_COMMAND = re.compile(r"\w+-[0-9a-f]{7}-[0-9a-f]{7}")  # the step, the run and the invocation
QUIET = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}


def dbt_project() -> DbtProject:
    """The dbt project, with a manifest that is as new as its files and made for the warehouse in use.

    Parses when it is not, which takes seconds and no network. dbt keeps the connection in what it has parsed: a
    manifest made for another server would be parsed anew by every single run.
    """
    target = get_settings().state_dir / TARGET
    os.environ.update({**QUIET, "DBT_TARGET_PATH": str(target)})
    connection = known_database_url()
    if connection is not None:
        connect_dbt(connection)
    project = DbtProject(project_dir=DBT_DIR, profiles_dir=DBT_DIR, target_path=target)
    target.mkdir(parents=True, exist_ok=True)
    with (target / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the UI's code server and a command may load at the same time
        made_for = target / ".made_for"
        identity = _identity(connection) if connection is not None else None
        known = made_for.read_text() if made_for.exists() else ""
        if not _is_fresh(project.manifest_path) or identity not in {None, known}:
            dbt_resource(project).cli(["parse", "--quiet"], target_path=project.target_path).wait()
            made_for.write_text(identity or "")
    return project


class InstalledDbt(DbtCliResource):
    """The dbt of this environment. `looks_at_tables`: Dagster may ask what columns the tables have."""

    looks_at_tables: bool = True

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        # Another connection of dbt's, inside Dagster: with nothing to look at it takes longer than a small build.
        return super()._initialize_dbt_core_adapter(args) if self.looks_at_tables else None

    @cached_property
    def _cli_version(self) -> Version:
        # dagster-dbt runs `dbt --version` for every step, which takes as long as building a day; the version is known.
        return Version(metadata.version("dbt-core"))


def dbt_resource(project: DbtProject) -> DbtCliResource:
    """The dbt command line of the project."""
    return InstalledDbt(project_dir=os.fspath(project.project_dir), dbt_executable=DBT)


def _is_fresh(manifest: Path) -> bool:
    if not manifest.exists():
        return False
    made = manifest.stat().st_mtime
    files = [path for part in PARTS for path in (DBT_DIR / part).rglob("*") if path.is_file()]
    return all(path.stat().st_mtime <= made for path in (*files, DBT_DIR / "dbt_project.yml"))


def fact_keys(project: DbtProject) -> dict[str, AssetKey]:
    """The facts that are built by day, by name, with where they stand in the lineage graph."""
    nodes = json.loads(project.manifest_path.read_text("utf-8"))["nodes"].values()
    by_day = [node for node in nodes if node["config"].get("incremental_strategy") == "replace_range"]
    return {node["name"]: AssetKey([node["schema"], node["name"]]) for node in by_day}


def definitions_digest() -> str:
    """Changes when any model, macro, seed or variable does."""
    digest = hashlib.sha256()
    files = (path for part in PARTS for path in (DBT_DIR / part).rglob("*") if path.is_file())
    for path in sorted((*files, DBT_DIR / "dbt_project.yml")):
        digest.update(path.relative_to(DBT_DIR).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _identity(database_url: str) -> str:
    parts = urlsplit(database_url)
    return f"{parts.username}@{parts.hostname}:{parts.port}{parts.path}"


def connect_dbt(database_url: str) -> None:
    """Tell dbt, which reads its connection from the environment of this process, where the warehouse is."""
    parts = urlsplit(database_url)
    os.environ.update(
        {
            "DATAFLOW_DBT_HOST": parts.hostname or "127.0.0.1",
            "DATAFLOW_DBT_PORT": str(parts.port or 5432),
            "DATAFLOW_DBT_USER": unquote(parts.username or ""),
            "DATAFLOW_DBT_DBNAME": parts.path.lstrip("/"),
            "DATAFLOW_DBT_SSLMODE": parse_qs(parts.query).get("sslmode", ["prefer"])[0],
            # This prefix makes dbt itself mask the value in its logs.
            "DBT_ENV_SECRET_DATAFLOW_PASSWORD": unquote(parts.password or ""),
        }
    )


def prune_artifacts() -> None:
    """Remove what all but the latest commands have left: each leaves several megabytes, and hourly syncs for ever."""
    target = get_settings().state_dir / TARGET
    if not target.exists():
        return
    left = sorted(
        (path for path in target.iterdir() if path.is_dir() and _OF_A_COMMAND.fullmatch(path.name)),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in left[ARTIFACTS_KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def build_windows(windows: Sequence[DayWindow]) -> Iterator[None]:
    """Within, dbt's facts are built for these days only.

    An environment variable read while models run, not `--vars`: other vars make dbt parse the whole project anew.
    """
    spans = [f"{window.start}...{window.end - ONE_DAY}" for window in windows]
    os.environ[WINDOWS_VARIABLE] = ",".join(spans)
    try:
        yield
    finally:
        del os.environ[WINDOWS_VARIABLE]
