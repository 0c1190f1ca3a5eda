"""One server as a child process: started, watched until it is ready, stopped, and found again after a crash."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dataflow_assets.embedded.endpoints import EmbeddedError
from dataflow_assets.embedded.locks import is_locked, try_lock, wait_for
from dataflow_assets.embedded.logs import open_log, tail
from dataflow_assets.embedded.privileges import ServerUser

READY_SECONDS = 50.0  # less than a caller waits, so that it learns which server failed
PR_SET_PDEATHSIG = 1  # prctl(2), Linux
StopSignals = Sequence[tuple[signal.Signals, float]]


class Service(Protocol):
    """What is particular to one kind of server."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def lock(self) -> Path:
        """Every process of the server inherits this lock: it is free if and only if all of them are gone."""

    @property
    def cwd(self) -> Path:
        """Working directory of the server."""

    @property
    def stop_signals(self) -> StopSignals:
        """How to stop it: signals, each with the seconds to wait before the next, harsher one."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Its whole environment."""

    def configure(self, port: int) -> Sequence[str | Path]:
        """Write what the server reads at its start. Returns its command line, without any secret."""

    def is_ready(self, port: int, pid: int) -> bool:
        """Whether it answers. OSError counts as not yet."""


@dataclass
class ServerProcess:
    """A service and its process. `user`: whom the process runs as, None for the user of this process."""

    service: Service
    log: Path
    user: ServerUser | None = None
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _log_start: int = field(default=0, init=False)

    def start(self, port: int) -> None:
        """Start the server; it may not be ready yet."""
        command = self.service.configure(port)
        lock = try_lock(self.service.lock)
        if lock is None:
            raise EmbeddedError(f"Another {self.service.name} server uses the files of {self.service.lock}.")
        try:
            with open_log(self.log) as log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    command,
                    cwd=self.service.cwd,
                    env=self.service.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(lock,),
                    preexec_fn=die_with_parent(self.service.stop_signals[0][0]),  # noqa: PLW1509 one thread only
                    **(self.user.popen_arguments if self.user else {}),
                )
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(self._process.pid).encode(), 0)
        finally:
            os.close(lock)

    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while the process lives or was never started."""
        return None if self._process is None else self._process.poll()

    def is_ready(self, port: int) -> bool:
        """Whether the started server answers at `port`."""
        if self._process is None:
            return False
        try:
            return self.service.is_ready(port, self._process.pid)
        except OSError:
            return False

    def wait_ready(self, port: int) -> bool:
        """Wait until the server answers. False when its process ended instead.

        Raises:
            EmbeddedError: it neither answers nor ends; it is stopped then.
        """

        def look() -> bool | None:
            if self.exit_code() is not None:
                return False
            return self.is_ready(port) or None

        outcome = wait_for(look, READY_SECONDS)
        if outcome is None:
            self.stop()
            raise self.failure(f"did not answer within {READY_SECONDS:.0f} seconds")
        return outcome

    def stop(self) -> None:
        """Stop the server and wait for its end, with harsher signals if it takes too long."""
        process = self._process
        if process is None:
            return
        for sign, seconds in self.service.stop_signals:
            if process.poll() is None:
                process.send_signal(sign)
            if wait_for(process.poll, seconds) is not None:
                return

    def failure(self, what: str) -> EmbeddedError:
        """An error saying what happened, with the last lines this start wrote to the log."""
        return EmbeddedError(f"{self.service.name} {what}. Log: {self.log}\n{tail(self.log, self._log_start)}".rstrip())


def end_leftover(name: str, lock: Path, stop_signals: StopSignals) -> None:
    """End what a killed supervisor left behind. Two servers on one set of files would destroy it.

    Only processes that hold the lock are signalled where the system shows them (Linux): the process id noted in the
    lock may be somebody else's by now.

    Raises:
        EmbeddedError: it does not end.
    """
    if not is_locked(lock):
        return
    main = int(lock.read_text("utf-8") or 0)
    holders = _holders(lock) or ({main} - {0})
    # Without its main process a busy child of PostgreSQL would finish its query first, which may take hours.
    stages, targets = (stop_signals, {main}) if main in holders else (stop_signals[-1:], holders)
    for sign, seconds in stages:
        for pid in targets:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)
        if wait_for(lambda: None if is_locked(lock) else True, seconds):
            return
    numbers = ", ".join(map(str, sorted(targets))) or "unknown"
    raise EmbeddedError(
        f"{name} of an earlier start (process {numbers}) still runs, holds {lock}, and does not end. "
        "End it by hand and try again."
    )


def _holders(lock: Path) -> set[int]:
    """Process ids of those that have the file open, as far as the system shows them."""
    holders, wanted = set(), lock.stat()
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):  # closed meanwhile, or not ours to see
            if os.path.samestat(opened.stat(), wanted):
                holders.add(int(opened.parts[2]))
    return holders


def server_environment() -> dict[str, str]:
    """Environment of the database servers: our own variables hold credentials, and PG... ones would change settings."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C", "TZ": "UTC"}


def die_with_parent(sign: signal.Signals) -> Callable[[], None] | None:
    """Code for the new child: Linux shall send it `sign` when the supervisor dies. Elsewhere the next start ends it."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def in_child() -> None:
        libc.prctl(PR_SET_PDEATHSIG, sign)
        if os.getppid() != parent:  # it died before we asked
            os.kill(os.getpid(), signal.SIGKILL)

    return in_child
