"""The process that owns the servers of one state folder: `python -m dataflow_assets.embedded.supervisor STATE_DIR`.

It starts them, publishes their URLs, restarts the sandbox, and ends with all of them when PostgreSQL or Redis dies,
when nobody has used them for the grace time, or when it is asked to. Users start it (see lease.py); started by hand
while another one lives it ends at once.
"""

import argparse
import logging
import os
import secrets
import signal
import sys
import time
from pathlib import Path

from dataflow_assets.embedded.binaries import find_binaries
from dataflow_assets.embedded.endpoints import EmbeddedError, endpoints, write_endpoints, write_private
from dataflow_assets.embedded.idle import IdleWatch
from dataflow_assets.embedded.layout import DataRoot, StateDir
from dataflow_assets.embedded.leftovers import end_leftovers
from dataflow_assets.embedded.locks import try_lock
from dataflow_assets.embedded.placement import find_data_root, reachable_binaries
from dataflow_assets.embedded.ports import Ports, is_free
from dataflow_assets.embedded.postgres import Postgres
from dataflow_assets.embedded.privileges import server_user
from dataflow_assets.embedded.process import ServerProcess
from dataflow_assets.embedded.redis import Redis
from dataflow_assets.embedded.sandbox_server import Sandbox

LOOK_SECONDS = 0.2
LOOK_SECONDS_WHILE_STARTING = 0.02
PORT_ATTEMPTS = 3

logger = logging.getLogger(__name__)


class Supervisor:
    """Runs the servers of `state`. `lock` is the descriptor of the supervisor's own lock."""

    def __init__(self, state: StateDir, lock: int, *, grace_seconds: float, os_user: str) -> None:
        self._state = state
        self._lock = lock
        self._os_user = os_user
        self._idle = IdleWatch(state.users_lock, grace_seconds)
        self._ports = Ports(state.ports)
        self._sandbox = Sandbox(state, self._ports)
        self._servers: list[ServerProcess] = []
        self._asked_by: signal.Signals | None = None

    def run(self) -> int:
        """Start, watch, stop. Returns the exit code."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._on_signal)
        logger.info("process %d owns %s", os.getpid(), self._state.path)
        try:
            self._start_databases()
            logger.info("stopping: %s", self._watch())
        except (EmbeddedError, OSError) as error:
            logger.exception("stopping after an error")
            if self._owns_state():
                write_private(self._state.startup_error, str(error))
            return 1
        finally:
            if self._owns_state():
                self._state.endpoints.unlink(missing_ok=True)
            self._sandbox.stop()
            for server in reversed(self._servers):
                server.stop()
        return 0

    def _start_databases(self) -> None:
        user = server_user(self._os_user)
        binaries = reachable_binaries(find_binaries(user.can_execute), user)
        data = find_data_root(self._state, user)
        password = _password(self._state, data)
        postgres = Postgres(binaries.postgres, data, user)
        redis = Redis(binaries.redis, data, user, password)
        servers = {
            "postgres": ServerProcess(postgres, self._state.log("postgres"), user),
            "redis": ServerProcess(redis, self._state.log("redis"), user),
        }
        end_leftovers(self._state, data)
        self._sandbox.tick()  # it starts while the databases do
        postgres.prepare(password, self._state.log("initdb"))
        self._database_ports = {name: self._bring_up(name, server) for name, server in servers.items()}
        self._password = password
        self._publish()

    def _bring_up(self, name: str, server: ServerProcess) -> int:
        self._servers.append(server)
        for _attempt in range(PORT_ATTEMPTS):
            port = self._ports.choose(name)
            server.start(port)
            if server.wait_ready(port):
                logger.info("%s answers at port %d", server.service.name, port)
                return port
            if is_free(port):  # otherwise somebody took it between our look and the start
                break
        raise server.failure(f"ended with exit code {server.exit_code()} while starting")

    def _publish(self) -> None:
        self._published_sandbox = self._sandbox.port
        urls = endpoints(
            password=self._password,
            postgres_port=self._database_ports["postgres"],
            redis_port=self._database_ports["redis"],
            sandbox_port=self._sandbox.port,
        )
        write_endpoints(self._state.endpoints, urls)

    def _watch(self) -> str:
        """Watch until there is a reason to stop, and return it."""
        while True:
            reason = self._reason_to_stop()
            if reason:
                return reason
            self._sandbox.tick()
            if self._sandbox.port != self._published_sandbox:
                self._publish()
            self._sandbox.answer_request()
            time.sleep(LOOK_SECONDS_WHILE_STARTING if self._sandbox.starting else LOOK_SECONDS)

    def _reason_to_stop(self) -> str | None:
        if not self._owns_state():
            return "the state folder was deleted"
        if self._asked_by:
            return f"signal {self._asked_by.name}"
        if self._state.stop_request.exists():
            return "asked to"
        for server in self._servers:
            if server.exit_code() is not None:
                return str(server.failure(f"ended with exit code {server.exit_code()}"))
        return "nobody uses the servers" if self._idle.expired() else None

    def _owns_state(self) -> bool:
        """Whether the state folder is still the one we locked; after its deletion another may be in its place."""
        try:
            return os.path.samestat(os.fstat(self._lock), self._state.supervisor_lock.stat())
        except FileNotFoundError:
            return False

    def _on_signal(self, number: int, _frame: object) -> None:
        self._asked_by = signal.Signals(number)


def _password(state: StateDir, data: DataRoot) -> str:
    """The password of both servers: drawn once, of characters that mean nothing in a URL or a configuration file."""
    if not state.secret.exists():
        if data.pgdata.is_dir():
            raise EmbeddedError(
                f"{state.secret}, the password of the data in {data.pgdata}, is gone. Put it back, or delete the data "
                "to start empty."
            )
        write_private(state.secret, secrets.token_hex(24))
    return state.secret.read_text("utf-8")


def main() -> int:
    """Take the supervisor's lock, leave the caller's process tree, and run."""
    parser = argparse.ArgumentParser(description="Own the private servers of one state folder.")
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("--grace", type=float, default=20.0, help="seconds without users before stopping")
    parser.add_argument("--os-user", default="nobody", help="whom root runs the servers as")
    arguments = parser.parse_args()
    state = StateDir(arguments.state_dir.resolve())
    lock = try_lock(state.supervisor_lock)
    if lock is None:
        return 0
    # stop() tells one supervisor from the next by this. Written before the fork: our caller looks when we return.
    os.ftruncate(lock, 0)
    os.pwrite(lock, secrets.token_hex(8).encode(), 0)
    if os.fork():
        os._exit(0)  # the child keeps the lock and has no parent that would have to wait for it
    os.umask(0o077)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    return Supervisor(state, lock, grace_seconds=arguments.grace, os_user=arguments.os_user).run()


if __name__ == "__main__":
    sys.exit(main())
