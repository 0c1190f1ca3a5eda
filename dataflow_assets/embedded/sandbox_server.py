"""The sandbox web server as a third child: started when a caller asks for it, restarted when it dies alone."""

import http.client
import json
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dataflow_assets.embedded.endpoints import HOST, EmbeddedError, write_private
from dataflow_assets.embedded.layout import StateDir
from dataflow_assets.embedded.ports import Ports, is_free
from dataflow_assets.embedded.process import READY_SECONDS, ServerProcess, StopSignals, end_leftover

HEALTH_PATH = "/_sandbox/health"
ANSWER_SECONDS = 1.0
RESTARTS = 5
RESTART_WINDOW_SECONDS = 60.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SandboxService:
    """The command a caller gave, run in the state folder as the user of the supervisor and with its environment."""

    command: Sequence[str]
    state: StateDir

    name: ClassVar[str] = "The sandbox"
    stop_signals: ClassVar[StopSignals] = (
        (signal.SIGTERM, 3),
        (signal.SIGKILL, 5),
    )

    @property
    def lock(self) -> Path:
        """Held while the sandbox lives."""
        return self.state.sandbox_lock

    @property
    def cwd(self) -> Path:
        """The state folder."""
        return self.state.path

    @property
    def environment(self) -> Mapping[str, str]:
        """That of the process which started the supervisor."""
        return os.environ

    def configure(self, port: int) -> list[str | Path]:
        """The command with its placeholders filled in."""
        values = {"{port}": str(port), "{state_dir}": str(self.state.path)}
        return [values.get(word, word) for word in self.command]

    def is_ready(self, port: int, _pid: int) -> bool:
        """Whether the health page answers 200."""
        connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", HEALTH_PATH)
            return connection.getresponse().status == http.client.OK
        except http.client.HTTPException:
            return False
        finally:
            connection.close()


class Sandbox:
    """Answers `sandbox.request`. `tick` never waits for the sandbox, so the databases are watched meanwhile."""

    def __init__(self, state: StateDir, ports: Ports, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._ports = ports
        self._clock = clock
        self._server: ServerProcess | None = None
        self._deadline = 0.0
        self._deaths: deque[float] = deque(maxlen=RESTARTS + 1)
        self._started_port = 0
        self._has_worked = False
        self.port: int | None = None  # while it answers

    @property
    def starting(self) -> bool:
        """Whether it was started and does not answer yet."""
        return self._server is not None and self.port is None

    def tick(self) -> None:
        """Do what is due: start on request, notice that it answers, restart after a death, give up."""
        if self._server is None:
            if self._state.sandbox_request.exists():
                self._deaths.clear()
                self._has_worked = False
                command = json.loads(self._state.sandbox_request.read_text("utf-8"))
                self._start(ServerProcess(SandboxService(command, self._state), self._state.log("sandbox")))
            return
        if self._server.exit_code() is not None:
            self._restart(self._server)
        elif self.port is None:
            self._look_whether_ready(self._server)

    def answer_request(self) -> None:
        """Call it after the URL was published: whoever asks is served."""
        if self.port is not None:
            self._state.sandbox_request.unlink(missing_ok=True)

    def stop(self) -> None:
        """Stop it."""
        if self._server is not None:
            self._server.stop()
        self._server = self.port = None

    def _start(self, server: ServerProcess) -> None:
        self._server = server
        self._deadline = self._clock() + READY_SECONDS
        self._started_port = self._ports.choose("sandbox")
        try:
            end_leftover(server.service.name, server.service.lock, server.service.stop_signals)
            server.start(self._started_port)
        except EmbeddedError as error:
            self._give_up(error)
        except OSError as error:
            self._give_up(EmbeddedError(f"The sandbox could not be started: {error}"))

    def _look_whether_ready(self, server: ServerProcess) -> None:
        if server.is_ready(self._started_port):
            self.port = self._started_port
            self._has_worked = True
            logger.info("the sandbox answers at port %d", self.port)
        elif self._clock() >= self._deadline:
            self._give_up(server.failure(f"did not answer {HEALTH_PATH} with 200 within {READY_SECONDS:.0f} seconds"))

    def _restart(self, server: ServerProcess) -> None:
        now = self._clock()
        self.port = None
        self._deaths.append(now)
        failure = server.failure(f"ended with exit code {server.exit_code()}")
        recent = sum(now - death <= RESTART_WINDOW_SECONDS for death in self._deaths)
        logger.warning("%s", failure)
        # A command that never worked fails at once, unless somebody took its port between our look and its start.
        if recent > RESTARTS or (not self._has_worked and is_free(self._started_port)):
            self._give_up(failure)
        else:
            self._start(server)

    def _give_up(self, failure: EmbeddedError) -> None:
        logger.error("%s", failure)
        self.stop()
        write_private(self._state.sandbox_error, str(failure))
        self._state.sandbox_request.unlink(missing_ok=True)
