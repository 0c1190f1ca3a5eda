"""What Dagster loads: the lineage graph as it is committed in `asset_graph.json`, and what loading it touches.

After a change of the graph that is meant, write the file anew and read the difference before committing it:

    DATAFLOW_TEST_UPDATE=1 python -m pytest tests/test_definitions.py
"""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from installation import bare_environment, run

from dataflow_assets.connectors import all_connectors
from dataflow_assets.raw.ddl import schema_name
from dataflow_assets.raw.factory import asset_key
from dataflow_assets.resources.dbt import dbt_project
from dataflow_assets.settings import PROJECT_ROOT

SNAPSHOT = Path(__file__).with_name("asset_graph.json")
UPDATE = "DATAFLOW_TEST_UPDATE"
BUILT_IN_JOB = "__ASSET_JOB"

# Every Python process of the test runs this first: no connection but to a socket file, and a list of what is started.
GUARD = """
import os, sys
def guard(event, args):
    if event == "socket.connect" and not isinstance(args[1], (str, bytes)):
        raise AssertionError(f"Loading went to the network: {args[1]}")
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
        with open(os.environ["GUARD_LOG"], "a") as log:
            log.write(f"{args[0]} {args[1]}\\n")
sys.addaudithook(guard)
"""
LOAD = """
from dataflow_assets.definitions import defs
print(len(defs.resolve_asset_graph().get_all_asset_keys()))
"""
WORKSPACE_QUERY = """
{ assetNodes { assetKey { path } groupName isPartitioned isMaterializable kinds dependencyKeys { path } jobNames } }
"""


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    # Anew: a test of the command line may have loaded it in this process, for the vendors it was about.
    sys.modules.pop("dataflow_assets.definitions", None)
    from dataflow_assets.definitions import defs as loaded  # noqa: PLC0415  takes seconds, and may parse the dbt project

    return loaded


def as_committed(defs: dg.Definitions) -> dict[str, Any]:
    """The graph as plain data in a fixed order."""
    graph = defs.resolve_asset_graph()
    repository = defs.get_repository_def()
    assets = {}
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        assets[key.to_user_string()] = {
            "deps": sorted(parent.to_user_string() for parent in node.parent_keys),
            "group": node.group_name,
            "kinds": sorted(node.kinds),
            "partitioned": node.is_partitioned,
            "external": node.is_external,
            "checks": {
                check.name: "blocking" if graph.get_check_spec(check).blocking else "not blocking"
                for check in sorted(node.check_keys, key=lambda check: check.name)
            },
        }
    jobs = sorted((job for job in repository.get_all_jobs() if job.name != BUILT_IN_JOB), key=lambda job: job.name)
    return {
        "assets": assets,
        "jobs": {job.name: sorted(node.name for node in job.nodes) for job in jobs},
        "schedules": {
            schedule.name: [schedule.job_name, schedule.cron_schedule, schedule.default_status.value]
            for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name)
        },
        "sensors": {
            sensor.name: [
                ", ".join(target.job_name for target in sensor.targets),
                f"every {sensor.minimum_interval_seconds} s",
                sensor.default_status.value,
            ]
            for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
        },
    }


def test_the_asset_graph_is_the_committed_one(defs: dg.Definitions) -> None:
    found = as_committed(defs)
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    committed = json.loads(SNAPSHOT.read_text("utf-8"))
    for part in ("assets", "jobs", "schedules", "sensors"):
        names = sorted(committed[part].keys() | found[part].keys())
        changed = [
            f"{name}:\n    committed {committed[part].get(name)}\n    now       {found[part].get(name)}"
            for name in names
            if committed[part].get(name) != found[part].get(name)
        ]
        assert not changed, f"{part} differ from {SNAPSHOT.name}; if that is meant, run with {UPDATE}=1:\n" + "\n".join(
            changed
        )


def test_every_asset_can_be_filled_over_a_range_in_one_run(defs: dg.Definitions) -> None:
    # `dagster asset materialize --partition-range` refuses a selection with one asset that cannot.
    graph = defs.resolve_asset_graph()
    keys = graph.materializable_asset_keys
    others = [key.to_user_string() for key in keys if graph.get(key).backfill_policy != dg.BackfillPolicy.single_run()]
    assert keys
    assert not others


def test_every_partitioned_asset_shares_one_partitions_definition(defs: dg.Definitions) -> None:
    # Jobs over assets of two definitions have no partitions of their own to backfill.
    graph = defs.resolve_asset_graph()
    assert len(graph.all_partitions_defs) == 1


def test_law_1_every_stream_is_the_dbt_source_of_its_own_raw_asset(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    sources = dbt_sources()
    for connector in all_connectors():
        for stream in connector.streams:
            key = asset_key(connector, stream)
            assert sources[connector.name, stream.name]["meta"]["dagster"]["asset_key"] == list(key.path)
            assert sources[connector.name, stream.name]["schema"] == schema_name(connector)
            assert graph.get(key).is_materializable
            assert graph.get(key).child_keys, f"no dbt model reads {key.to_user_string()}"


def test_no_dbt_source_of_a_vendor_is_without_its_stream() -> None:
    declared = {(connector.name, stream.name) for connector in all_connectors() for stream in connector.streams}
    orphans = {source for source in dbt_sources() if source[0] != "dataflow"} - declared
    assert not orphans


def test_nothing_but_our_own_bookkeeping_comes_from_outside_the_graph(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    outside = {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_external}
    assert {key.split("/")[0] for key in outside} <= {"dataflow"}


def dbt_sources() -> dict[tuple[str, str], dict[str, Any]]:
    manifest = json.loads(dbt_project().manifest_path.read_text("utf-8"))
    return {(node["source_name"], node["name"]): node for node in manifest["sources"].values()}


@pytest.fixture
def guarded(tmp_path: Path) -> dict[str, str]:
    """An empty environment but for what starts Python, in which every Python process is watched."""
    (tmp_path / "sitecustomize.py").write_text(GUARD)
    python_path = os.pathsep.join([str(tmp_path), str(PROJECT_ROOT)])
    return {
        **bare_environment(),
        "PYTHONPATH": python_path,
        "GUARD_LOG": str(tmp_path / "started"),
        "HOME": str(tmp_path),
    }


def there() -> set[str]:
    """What lies in the state directory an installation has without settings."""
    folder = PROJECT_ROOT / ".dataflow"
    return {path.name for path in folder.iterdir()} if folder.exists() else set()


def test_law_12_definitions_load_with_an_empty_environment_no_network_and_no_server(
    guarded: dict[str, str], tmp_path: Path
) -> None:
    before = there()
    done = run(sys.executable, "-c", LOAD, env=guarded)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10
    assert there() - before <= {"dbt"}, "Loading has prepared private servers."
    log = tmp_path / "started"
    started = log.read_text().splitlines() if log.exists() else []
    # Linux tools by which the standard library looks at the machine are no servers; dbt may have to parse.
    assert not [line for line in started if "embedded" in line or "postgres" in line or "valkey" in line], started


def test_the_guard_of_the_test_above_sees_a_connection(guarded: dict[str, str]) -> None:
    code = "import socket; socket.create_connection(('127.0.0.1', 9))"
    done = run(sys.executable, "-c", code, env=guarded)
    assert "Loading went to the network: ('127.0.0.1', 9)" in done.stderr


def test_definitions_load_when_the_virtual_environment_is_not_on_the_path(guarded: dict[str, str]) -> None:
    # `make` and service managers start `.venv/bin/dataflow` by its path, and dbt lies beside it.
    guarded["PATH"] = os.defpath
    assert shutil.which("dbt", path=guarded["PATH"]) is None, "This machine has another dbt; the test shows nothing."
    code = "from dataflow_assets.resources.dbt import dbt_project, dbt_resource; dbt_resource(dbt_project())"
    done = run(sys.executable, "-c", code, env=guarded)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("source", [("-w", "workspace.yaml"), ()], ids=["workspace.yaml", "pyproject.toml"])
def test_workspace_yaml_and_pyproject_toml_load_the_same_graph(
    source: tuple[str, ...], defs: dg.Definitions, tmp_path: Path
) -> None:
    # Dagster's own storage in a folder of the test; nothing else is configured.
    own = {"HOME": str(tmp_path), "DAGSTER_HOME": str(tmp_path), "DATAFLOW_STATE_DIR": str(tmp_path / "state")}
    done = run("dagster-graphql", *source, "-t", WORKSPACE_QUERY, env={**bare_environment(), **own})
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith('{"data"')]  # among log lines
    answer = json.loads(line)
    graph = defs.resolve_asset_graph()
    found = {
        dg.AssetKey(node["assetKey"]["path"]): (
            node["groupName"],
            node["isPartitioned"],
            sorted(node["kinds"]),
            {dg.AssetKey(dep["path"]) for dep in node["dependencyKeys"]},
        )
        for node in answer["data"]["assetNodes"]
    }
    expected = {
        node.key: (node.group_name, node.is_partitioned, sorted(node.kinds), set(node.parent_keys))
        for node in graph.asset_nodes
    }
    assert found == expected
    left = {path.name for path in (tmp_path / "state").iterdir()}
    assert left == {"dbt"}, "Loading the workspace has started private servers."
