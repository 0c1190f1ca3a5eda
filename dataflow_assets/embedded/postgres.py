"""The private PostgreSQL: creates the cluster once, then runs it with settings for one small machine."""

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dataflow_assets.embedded.endpoints import DATABASE, HOST, USER, EmbeddedError, write_private
from dataflow_assets.embedded.layout import DataRoot
from dataflow_assets.embedded.logs import open_log, tail
from dataflow_assets.embedded.privileges import ServerUser, user_name
from dataflow_assets.embedded.process import StopSignals, die_with_parent, server_environment

INITDB_SECONDS = 50.0

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # a socket's path may have 100 characters; TCP works in any folder
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_level": "minimal",  # nobody replicates from here, and bulk loads write less
    "max_wal_senders": "0",
    "jit": "off",  # compiling costs more than it saves at this size
    "log_min_messages": "warning",
}  # synchronous_commit stays on: without it a killed server forgets committed watermarks


@dataclass(frozen=True)
class Postgres:
    """The server over `data.pgdata` with the programs in `programs` (the folder with bin, lib and share)."""

    programs: Path
    data: DataRoot
    user: ServerUser

    name: ClassVar[str] = "PostgreSQL"
    # fast shutdown; immediate shutdown, which recovers at the next start; the end
    stop_signals: ClassVar[StopSignals] = (
        (signal.SIGINT, 30),
        (signal.SIGQUIT, 10),
        (signal.SIGKILL, 5),
    )

    @property
    def lock(self) -> Path:
        """Held while any process of the server lives, also a backend that outlives its postmaster."""
        return self.data.postgres_lock

    @property
    def cwd(self) -> Path:
        """A folder its user can read; the state folder may not be one."""
        return Path("/")

    @property
    def environment(self) -> Mapping[str, str]:
        """No PG... variables: they would override the settings."""
        return server_environment()

    def prepare(self, password: str, log: Path) -> None:
        """Create the cluster with an empty database if there is none. Call it only while no old server runs.

        It is built aside and renamed, so a cluster that is there is complete.

        Raises:
            EmbeddedError: it cannot be created, or the one that is there belongs to another user.
        """
        pgdata = self.data.pgdata
        if pgdata.is_dir():
            self._check_owner()
            # A stale file names a process id that may be somebody else's by now, and the server would not start.
            (pgdata / "postmaster.pid").unlink(missing_ok=True)
            return
        shutil.rmtree(self.data.pgdata_new, ignore_errors=True)
        self.data.pgdata_new.mkdir(mode=0o700)
        self.user.give(self.data.pgdata_new)
        try:
            write_private(self.data.initdb_secret, password)
            self.user.give(self.data.initdb_secret)
            self._run(self._initdb(), "", log)
        finally:
            self.data.initdb_secret.unlink(missing_ok=True)
        # The database is created by a server without network before the rename, so it exists whenever the cluster does.
        single: list[str | Path] = [
            self._program("postgres"),
            "--single",
            "-D",
            self.data.pgdata_new,
            "-c",
            "exit_on_error=on",
        ]
        self._run([*single, "postgres"], f"CREATE DATABASE {DATABASE}\n", log)
        self.data.pgdata_new.rename(pgdata)

    def configure(self, port: int) -> list[str | Path]:
        """The command line; settings given there cannot be lost in a file."""
        settings = {**SETTINGS, "port": str(port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [self._program("postgres"), "-D", self.data.pgdata, *options]

    def is_ready(self, _port: int, pid: int) -> bool:
        """Whether connections are accepted: line 8 of postmaster.pid says so, as pg_ctl reads it."""
        lines = (self.data.pgdata / "postmaster.pid").read_text("utf-8", "replace").splitlines()
        return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004 see above

    def _initdb(self) -> list[str | Path]:
        return [
            self._program("initdb"),
            f"--pgdata={self.data.pgdata_new}",
            f"--username={USER}",
            f"--pwfile={self.data.initdb_secret}",
            "--auth=scram-sha-256",
            # A random password cannot be guessed, so slowing the guesser down only slows every connection: 4096 rounds
            # are half of what one costs, and Dagster opens one for every event it stores.
            "--set=scram_iterations=1",
            "--encoding=UTF8",
            # Built into the server: sorts the same on every machine, whatever locales are installed.
            "--locale=C",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--no-instructions",
        ]

    def _run(self, command: Sequence[str | Path], text: str, log: Path) -> None:
        with open_log(log) as output:
            start = output.tell()
            try:
                subprocess.run(
                    command,
                    input=text.encode(),
                    stdout=output,
                    stderr=output,
                    env=self.environment,
                    cwd=self.cwd,
                    timeout=INITDB_SECONDS,
                    check=True,
                    preexec_fn=die_with_parent(signal.SIGKILL),
                    **self.user.popen_arguments,
                )
            except subprocess.SubprocessError as error:
                end = "took too long" if isinstance(error, subprocess.TimeoutExpired) else "failed"
                raise EmbeddedError(
                    f"PostgreSQL could not create its files in {self.data.pgdata_new}: "
                    f"{Path(command[0]).name} {end}. Log: {log}\n{tail(log, start)}"
                ) from None

    def _program(self, name: str) -> Path:
        return self.programs / "bin" / name

    def _check_owner(self) -> None:
        owner = self.data.pgdata.stat().st_uid
        if owner != self.user.uid:
            raise EmbeddedError(
                f"The data in {self.data.pgdata} belongs to the user {user_name(owner)}, and the servers would run as "
                f"{self.user.name}. Run as the user who started them before, or use another state folder."
            )
