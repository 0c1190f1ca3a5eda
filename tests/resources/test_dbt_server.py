"""dbt run by a server that has it loaded: the same command, seconds sooner."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from installation import database

from dataflow_assets.embedded import Endpoints
from dataflow_assets.resources.dbt import DBT, DBT_DIR, connect_dbt
from dataflow_assets.resources.dbt_client import SERVER_VARIABLE, receive
from dataflow_assets.resources.dbt_server import warm_dbt

WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def warm() -> Iterator[str]:
    with warm_dbt():
        yield os.environ[SERVER_VARIABLE]


@pytest.fixture
def environment_as_before() -> Iterator[None]:
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def start(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [DBT, *arguments],
        env=environment,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=WAIT_SECONDS)
    return process.returncode, output


def test_the_client_hands_over_arguments_environment_folder_and_streams_and_ends_with_the_told_code(
    tmp_path: Path,
) -> None:
    address = str(tmp_path / "server")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        process = start("build", "--select", "ä b", **{SERVER_VARIABLE: address, "NAME": "value"})
        client, _ = listening.accept()
        with client:
            command, streams = receive(client)
            os.write(streams[1], b"said by the server\n")
            for stream in streams:
                os.close(stream)
            client.sendall(b"%d\n7\n" % os.getpid())
        code, output = finish(process)
    assert (code, output) == (7, "said by the server\n")
    assert command["arguments"] == ["build", "--select", "ä b"]
    assert command["environment"]["NAME"] == "value"
    assert SERVER_VARIABLE not in command["environment"]
    assert command["folder"] == str(Path.cwd())


def test_a_server_that_dies_ends_the_command_as_failed(tmp_path: Path) -> None:
    address = str(tmp_path / "server")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        process = start("build", **{SERVER_VARIABLE: address})
        client, _ = listening.accept()
        _, streams = receive(client)
        for stream in streams:
            os.close(stream)
        client.close()
    assert finish(process)[0] == 1


def test_without_a_server_dbt_runs_by_itself(tmp_path: Path) -> None:
    code, output = finish(start("--help", **{SERVER_VARIABLE: str(tmp_path / "nobody"), "HOME": str(tmp_path)}))
    assert code == 0, output
    assert "Usage: dbt" in output


def test_commands_end_with_the_exit_codes_of_dbt_and_know_nothing_of_each_other(warm: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        return finish(start(*arguments, **{SERVER_VARIABLE: warm, "HOME": str(tmp_path)}))

    assert run("no-such-command")[0] == 2
    code, output = run("--help")  # not --version, which asks the internet what the newest is
    assert code == 0, output
    assert "Usage: dbt" in output
    code, output = run("parse", "--project-dir", str(tmp_path), "--profiles-dir", str(DBT_DIR))
    assert code == 2
    assert "dbt_project.yml" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_command_that_is_stopped_stops_in_the_server_too(warm: str, tmp_path: Path, number: signal.Signals) -> None:
    """`debug` connects to a database that never answers; the connection ends when the fork does."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(WAIT_SECONDS)
        folders = ("--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR), "--log-path", str(tmp_path))
        port = str(silent.getsockname()[1])
        process = start("debug", *folders, **{SERVER_VARIABLE: warm, "HOME": str(tmp_path), "DATAFLOW_DBT_PORT": port})
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(WAIT_SECONDS)
            process.send_signal(number)
            while connection.recv(1_000):
                pass
        assert finish(process)[0] != 0


def test_the_server_goes_with_whoever_started_it() -> None:
    program = (
        "import os, json\n"
        "from dataflow_assets.resources.dbt_server import warm_dbt\n"
        "with warm_dbt():\n"
        f"    print(json.dumps(os.environ[{SERVER_VARIABLE!r}]), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    alone = {name: value for name, value in os.environ.items() if name != SERVER_VARIABLE}
    done = subprocess.run([sys.executable, "-c", program], env=alone, stdout=subprocess.PIPE, text=True, check=False)
    address = json.loads(done.stdout)
    assert done.returncode == -signal.SIGKILL
    assert Path(address).exists()  # it was killed before it could tidy up
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(WAIT_SECONDS)
        try:
            connection.connect(address)
            assert connection.recv(1) == b""
        except ConnectionError:
            pass


@pytest.mark.usefixtures("environment_as_before")
def test_a_project_is_built_as_it_was_when_the_server_loaded_it(servers: Endpoints, tmp_path: Path) -> None:
    """A file saved while a run is on its way must not give it half of one version and half of another."""
    (tmp_path / "dbt_project.yml").write_text("{name: small, profile: dataflow, flags: {use_colors: false}}")
    shutil.copy(DBT_DIR / "profiles.yml", tmp_path)
    model = tmp_path / "models" / "one.sql"
    model.parent.mkdir()
    (model.parent / "zero.sql").write_text("select 0 as number")
    text = "{{ config(materialized='view') }} select %s as number from {{ ref('zero') }} as a, {{ ref('zero') }} as b"
    model.write_text(text % 1)
    with database(servers.database_url) as url:
        connect_dbt(url)
        os.environ.pop(SERVER_VARIABLE, None)  # another server of these tests
        with warm_dbt(tmp_path, tmp_path / "target"):
            assert finish(start("--help", **os.environ))[0] == 0  # answered when all is loaded
            model.write_text(text % 2)

            def build(*arguments: str) -> object:
                code, output = finish(start("build", "--profiles-dir", ".", *arguments, cwd=tmp_path, **os.environ))
                assert code == 0, output
                with psycopg.connect(url) as connection:
                    return connection.execute("select number from marts.one").fetchone()

            assert build() == (1,)
            # Other variables may make other definitions: it is parsed anew, in the fork.
            assert build("--vars", "{any: thing}") == (2,)
