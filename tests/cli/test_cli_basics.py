"""What every command shares: help that costs nothing, exit codes, one clear message instead of a traceback."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
from dataflow_command import Dataflow
from installation import Installation, bare_environment, run

from dataflow_assets.raw.session import ensure_schema

NOWHERE = "127.0.0.1:9"
PASSWORD = "pw-5f1c9e"
TOKEN = "EAAB-token-77aa"
COMMANDS = ["demo", "dev", "sync", "backfill", "transform", "status", "doctor", "env", "quarantine", "quarantine list"]
COMMANDS += ["sandbox", "sandbox truth"]
HELP = """
import sys
from dataflow_assets.cli.main import main
for command in {commands}:
    sys.argv = ["dataflow", *command.split(), "--help"]
    try:
        main()
    except SystemExit as ended:
        assert ended.code == 0, command
heavy = {{"dagster", "dagster_dbt", "dbt", "polars", "pandera", "psycopg", "httpx", "redis", "pydantic_settings"}}
sys.stderr.write(" ".join(sorted(heavy & sys.modules.keys())))
"""

LOOK = """
import sys
from dataflow_assets.cli.main import main
sys.argv = ["dataflow", *{command}]
try:
    main()
except SystemExit:
    pass
sys.stderr.write(" ".join(sorted({{"dagster", "dagster_dbt", "dbt", "polars", "pandera"}} & sys.modules.keys())))
"""


def test_help_of_every_command_costs_no_heavy_import() -> None:
    done = run(sys.executable, "-c", HELP.format(commands=["", *COMMANDS]), env=bare_environment())
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for command in COMMANDS:
        assert command.split()[-1] in done.stdout


@pytest.mark.parametrize("command", ["status", "quarantine list", "verify", "doctor", "env"])
def test_a_command_that_only_looks_does_not_wait_for_dagster(installed: Installation, command: str) -> None:
    with installed.here() as platform:
        ensure_schema(platform)
    script = LOOK.format(command=command.split())
    done = installed.run(sys.executable, "-c", script)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("sing",), "No such command"),
        (("backfill", "meta_ads", "--from", "2026-05-01"), "Missing option '--to'"),
        (("backfill", "meta_ads", "--from", "tomorrow", "--to", "2026-05-01"), "'tomorrow' is not a day like"),
        (("status", "--jason"), "No such option"),
    ],
)
def test_wrong_use_ends_with_2_and_says_what_is_wrong(dataflow: Dataflow, args: tuple[str, ...], words: str) -> None:
    answer = dataflow(*args)
    assert answer.code == 2
    assert words in answer.err
    assert answer.out == ""


def schema_version(installed: Installation, version: int) -> None:
    with installed.here() as platform:
        ensure_schema(platform)
    installed.rows("update dataflow.schema_version set version = %s", version)


@pytest.mark.parametrize(
    "args", [("status",), ("sync",), ("backfill", "meta_ads", "--from", "2026-05-01", "--to", "2026-05-02")]
)
def test_a_warehouse_written_by_a_newer_version_is_left_alone(
    dataflow: Dataflow, installed: Installation, args: tuple[str, ...]
) -> None:
    schema_version(installed, 99)
    tables = "select count(*) from information_schema.tables"
    before = installed.value(tables)
    answer = dataflow(*args)
    assert answer.code == 3
    assert "was written by a newer DataFlow (schema 99, this program knows" in answer.err
    assert "Nothing was changed. Upgrade this installation." in answer.err
    assert "Traceback" not in answer.err
    assert installed.value(tables) == before
    assert installed.value("select version from dataflow.schema_version") == 99


@pytest.mark.parametrize("args", [("status",), ("sync",), ("env",)])
def test_a_warehouse_that_is_away_ends_with_3_and_hides_the_password(dataflow: Dataflow, args: tuple[str, ...]) -> None:
    answer = dataflow(*args, DATABASE_URL=f"postgresql://someone:{PASSWORD}@{NOWHERE}/warehouse")
    assert answer.code == 3
    assert f"The warehouse at {NOWHERE}/warehouse cannot be reached" in answer.err
    assert "Check DATABASE_URL" in answer.err
    assert "Traceback" not in answer.err
    assert PASSWORD not in answer.out + answer.err


def test_a_vendor_that_refuses_the_credentials_ends_with_1_and_says_what_to_do(dataflow: Dataflow) -> None:
    dataflow.installed.sandbox.fault("expired_token")
    answer = dataflow("sync")
    assert answer.code == 1
    assert "Make a new token with the scope ads_read and set DATAFLOW_META_ADS__ACCESS_TOKEN." in answer.err
    assert "Traceback" not in answer.err


def test_settings_that_cannot_be_used_end_with_2(dataflow: Dataflow) -> None:
    answer = dataflow("status", DATAFLOW_META_ADS__LOOKBACK_DAYS="many")
    assert answer.code == 2
    assert "DATAFLOW_META_ADS__LOOKBACK_DAYS: " in answer.err
    assert "Traceback" not in answer.err


# --------------------------------------------------------------------------- status


def test_status_of_an_empty_warehouse_is_json(dataflow: Dataflow) -> None:
    answer = dataflow("status", "--json")
    assert answer.code == 0
    assert answer.json == {
        "mode": "sandbox",
        "streams": [],
        "waiting_days": [],
        "aggregates": [],
        "failures": [],
        "notices": [],
    }


def known_stream(installed: Installation, *, quarantined: bool) -> None:
    with installed.here() as platform:
        ensure_schema(platform)
    installed.rows(
        """
        insert into dataflow.watermarks (connector, account_id, stream, watermark, settled_through)
        values ('meta_ads', '1', 'insights_ad', '2026-05-20 00:00Z', '2026-04-21')
        """
    )
    installed.rows(
        """
        insert into dataflow.sync_ledger (
            sync_id, connector, account_id, stream, sync_window, outcome, error, fetch_started_at
        ) values (gen_random_uuid(), 'meta_ads', '1', 'insights_ad', '2026-05-19', 'failed', 'it rained', now())
        """
    )
    if quarantined:
        installed.rows(
            """
            insert into dataflow.quarantine (connector, account_id, stream, sync_id, reason, payload)
            values ('meta_ads', '1', 'insights_ad', gen_random_uuid(), 'spend: not a number', '{"spend": "n/a"}')
            """
        )


def test_status_tells_how_far_a_stream_is_known_and_what_was_wrong(dataflow: Dataflow, installed: Installation) -> None:
    known_stream(installed, quarantined=False)
    answer = dataflow("status", "--json")
    assert answer.code == 0
    (stream,) = answer.json["streams"]
    assert (stream["stream"], stream["settled_through"], stream["quarantined"]) == ("insights_ad", "2026-04-21", 0)
    assert answer.json["failures"][0]["error"] == "it rained"
    text = dataflow("status")
    assert "mode sandbox" in text.out
    assert "2026-04-21" in text.out
    assert "it rained" in text.out


def test_law_6_status_ends_with_1_while_something_is_in_quarantine(dataflow: Dataflow, installed: Installation) -> None:
    known_stream(installed, quarantined=True)
    assert dataflow("status").code == 1
    listed = dataflow("quarantine", "list", "--json")
    assert listed.code == 1
    assert listed.json[0]["reason"] == "spend: not a number"
    installed.rows("update dataflow.quarantine set replayed_at = now()")
    assert dataflow("status").code == 0
    assert dataflow("quarantine", "list").code == 0


# --------------------------------------------------------------------------- env


def in_shell(script: str, tmp_path: Path) -> dict[str, str]:
    """The variables that a plain shell has after a script."""
    file = tmp_path / "script.sh"
    file.write_text(f"set -eu\n{script}\nenv -0\n")
    done = subprocess.run(["sh", str(file)], env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True)
    return dict(pair.split("=", 1) for pair in done.stdout.split("\0") if pair)


@pytest.mark.parametrize("folder", ["plain", "with space, 'quote' and $HOME"])
def test_env_is_valid_shell_and_holds_what_plain_dagster_needs(
    dataflow: Dataflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    installed = dataflow.installed
    answer = dataflow("env", DATAFLOW_STATE_DIR=str(tmp_path / folder))
    assert answer.code == 0
    assert all(line.startswith("export ") for line in answer.out.splitlines())
    variables = in_shell(answer.out, tmp_path)
    assert variables["DATABASE_URL"] == installed.database_url
    assert variables["REDIS_URL"] == installed.redis_url
    assert variables["DATAFLOW_SANDBOX__URL"] == installed.sandbox.url
    home = Path(variables["DAGSTER_HOME"])
    assert home == tmp_path / folder / "dagster_home"
    assert (home / "dagster.yaml").is_file()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        instance.get_runs()
        assert not instance.telemetry_enabled
    with psycopg.connect(installed.database_url) as connection:
        stored: Any = connection.execute("select count(*) from dagster.runs").fetchone()
    assert stored == (0,), "Dagster's history lies in the schema dagster of the warehouse's server"


def test_env_leaves_a_dagster_yaml_of_ones_own_alone(dataflow: Dataflow, tmp_path: Path) -> None:
    own = tmp_path / "home" / "dagster.yaml"
    own.parent.mkdir()
    own.write_text("telemetry:\n  enabled: false\n")
    answer = dataflow("env", DAGSTER_HOME=str(own.parent))
    assert f"export DAGSTER_HOME={own.parent}" in answer.out
    assert own.read_text() == "telemetry:\n  enabled: false\n"
