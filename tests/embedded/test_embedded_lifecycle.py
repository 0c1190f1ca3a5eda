"""Who starts the servers, who keeps them up, and when they stop."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from seen_from_outside import alive, eventually, listens, locks, pid, supervisors

from dataflow_assets.embedded import EmbeddedError, acquire, erase, status, stop
from dataflow_assets.embedded.idle import IdleWatch
from dataflow_assets.embedded.layout import DataRoot, StateDir
from dataflow_assets.embedded.locks import is_locked, try_lock
from dataflow_assets.embedded.process import end_leftover

# It keeps no reference to its lease: the end of the process is what gives it back.
USER = """
import dataclasses, json, sys
from pathlib import Path
from dataflow_assets.embedded import acquire
print(json.dumps(dataclasses.asdict(acquire(Path(sys.argv[1]), grace_seconds=0.5).endpoints)), flush=True)
sys.stdin.read()
"""


def users_of(state_dir: Path, count: int) -> list["subprocess.Popen[str]"]:
    """Processes that use the servers until their input ends or they are killed."""
    command = [sys.executable, "-c", USER, str(state_dir)]
    pipe = subprocess.PIPE
    return [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(count)]


def test_six_processes_at_once_share_one_supervisor_that_ends_after_the_last_is_killed(state_dir: Path) -> None:
    users = users_of(state_dir, 6)
    urls = [json.loads(user.stdout.readline()) for user in users]
    assert all(url == urls[0] for url in urls)
    assert len(supervisors(state_dir)) == 1
    for user in users[:5]:
        user.kill()
        user.communicate()
    time.sleep(1)  # twice the grace time
    assert status(state_dir) is not None, "the servers stopped under a living user"
    users[5].kill()
    users[5].communicate()
    eventually(lambda: alive(state_dir) == set())
    assert status(state_dir) is None


def test_ports_password_and_data_survive_a_stop_and_an_erase_forgets_them(state_dir: Path) -> None:
    with acquire(state_dir) as lease:
        first = lease.endpoints
        with psycopg.connect(first.database_url) as connection:
            connection.execute("CREATE TABLE kept (id int)")
        assert status(state_dir) == first
        stop(state_dir)  # although it is in use
        assert status(state_dir) is None
    with acquire(state_dir) as lease:
        assert lease.endpoints == first
        with psycopg.connect(first.database_url) as connection:
            assert connection.execute("SELECT to_regclass('kept') IS NOT NULL").fetchone() == (True,)
    erase(state_dir)
    with acquire(state_dir) as lease:
        assert lease.endpoints != first
        with psycopg.connect(lease.endpoints.database_url) as connection:
            assert connection.execute("SELECT to_regclass('kept') IS NULL").fetchone() == (True,)


@pytest.mark.parametrize(("victim", "answer"), [("supervisor", 1), ("postgres", 2), ("redis", 3)])
def test_after_a_kill_the_next_acquire_finds_committed_rows_and_keys(
    used_state_dir: Path, victim: str, answer: int
) -> None:
    lease = acquire(used_state_dir)
    with psycopg.connect(lease.endpoints.database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (answer int)")
        connection.execute("INSERT INTO kept VALUES (%s)", [answer])
    with redis.from_url(lease.endpoints.redis_url) as client:
        client.set("kept", answer)
    os.kill(pid(used_state_dir, victim), signal.SIGKILL)
    if victim == "supervisor":  # until the kernel has ended it, nothing tells that it will
        eventually(lambda: not is_locked(locks(used_state_dir)["supervisor"]))
    else:
        eventually(
            lambda: not listens(lease.endpoints.database_url if victim == "postgres" else lease.endpoints.redis_url)
        )
    with acquire(used_state_dir) as again:
        assert again.endpoints.database_url == lease.endpoints.database_url
        with psycopg.connect(again.endpoints.database_url) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchall()[-1] == (answer,)
        with redis.from_url(again.endpoints.redis_url) as client:
            assert client.get("kept") == str(answer).encode()
    lease.release()


def test_servers_stop_after_the_last_lease_is_released(used_state_dir: Path) -> None:
    with acquire(used_state_dir, grace_seconds=0.3):
        pass
    eventually(lambda: status(used_state_dir) is None)


def test_stopping_ends_servers_whose_supervisor_was_killed(used_state_dir: Path) -> None:
    with acquire(used_state_dir):
        os.kill(pid(used_state_dir, "supervisor"), signal.SIGKILL)
        eventually(lambda: not is_locked(locks(used_state_dir)["supervisor"]))
        stop(used_state_dir)
        assert alive(used_state_dir) == set()


STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A server nobody supervises that ignores the first signal, and its lock."""
    lock = tmp_path / "server.lock"
    descriptor = try_lock(lock)
    command = [sys.executable, "-c", STUBBORN]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, pass_fds=(descriptor,))
    os.close(descriptor)
    server.stdout.readline()
    lock.write_text(str(server.pid), "utf-8")
    yield server, lock
    server.kill()
    server.communicate()


def test_a_leftover_server_that_ignores_the_first_signal_gets_the_next(
    leftover: tuple["subprocess.Popen[str]", Path],
) -> None:
    server, lock = leftover
    with pytest.raises(EmbeddedError, match=f"process {server.pid}"):
        end_leftover("A server", lock, [(signal.SIGTERM, 0.1)])
    end_leftover("A server", lock, [(signal.SIGTERM, 0.1), (signal.SIGKILL, 30)])
    assert not is_locked(lock)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows who holds a lock")
def test_a_process_that_got_the_number_of_a_dead_server_is_not_signalled(
    leftover: tuple["subprocess.Popen[str]", Path],
) -> None:
    _server, lock = leftover
    lock.write_text(str(os.getpid()), "utf-8")
    end_leftover("A server", lock, [(signal.SIGTERM, 0.1), (signal.SIGKILL, 30)])
    assert not is_locked(lock)


def test_deleting_the_state_folder_stops_its_servers(state_dir: Path) -> None:
    lease = acquire(state_dir)
    shutil.rmtree(state_dir, ignore_errors=True)  # the database may write files meanwhile
    eventually(lambda: not listens(lease.endpoints.database_url) and not listens(lease.endpoints.redis_url))
    lease.release()


def test_a_start_that_fails_tells_every_waiter_the_end_of_the_log(used_state_dir: Path) -> None:
    with acquire(used_state_dir):
        stop(used_state_dir)
    version = DataRoot(used_state_dir).pgdata / "PG_VERSION"
    version.write_text("12\n", "utf-8")
    with pytest.raises(EmbeddedError, match=r"(?s)PostgreSQL ended .* Log: .*postgres\.log.*incompatible"):
        acquire(used_state_dir)
    assert not is_locked(StateDir(used_state_dir).users_lock)
    waiters = users_of(used_state_dir, 2)
    assert all("incompatible" in waiter.communicate()[1] for waiter in waiters)
    version.write_text("18\n", "utf-8")
    with acquire(used_state_dir) as lease:
        assert status(used_state_dir) == lease.endpoints


def test_nothing_is_started_or_created_by_asking(tmp_path: Path) -> None:
    assert status(tmp_path / "state") is None
    stop(tmp_path / "state")
    erase(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_a_visit_between_two_looks_of_the_supervisor_starts_the_grace_time_anew(tmp_path: Path) -> None:
    users_lock, now = tmp_path / "users.lock", [0.0]
    watch = IdleWatch(users_lock, grace_seconds=10, clock=lambda: now[0])

    def after(seconds: float) -> bool:
        now[0] += seconds
        return watch.expired()

    assert not after(0)
    assert not after(9)
    os.utime(users_lock, (0, 0))
    assert not after(9)
    user = try_lock(users_lock, shared=True)
    assert not after(100)
    os.close(user)
    assert not after(9)
    assert not after(9)
    assert after(1)
    assert try_lock(users_lock, shared=True) is None, "a newcomer must wait for the next servers"
