"""The private Redis-protocol server: Redis or Valkey, with an append-only file."""

import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from dataflow_assets.embedded.binaries import RedisProgram
from dataflow_assets.embedded.endpoints import HOST, write_private
from dataflow_assets.embedded.layout import DataRoot
from dataflow_assets.embedded.privileges import ServerUser
from dataflow_assets.embedded.process import StopSignals, server_environment

CONFIG_FILE = "redis.conf"
ANSWER_SECONDS = 1.0

# noeviction: the same server holds request budgets and breakers, and none of those may be dropped to make room. Entries
# of the cache expire by themselves. Both Redis 6.2 and Valkey 9 know every line.
CONFIG = """\
bind {host}
port {port}
requirepass {password}
daemonize no
dir ./
appendonly yes
appendfsync everysec
save ""
maxmemory 128mb
maxmemory-policy noeviction
"""


@dataclass(frozen=True)
class Redis:
    """The server over a folder of its own: Redis and Valkey cannot read each other's files."""

    program: RedisProgram
    data: DataRoot
    user: ServerUser
    password: str

    stop_signals: ClassVar[StopSignals] = ((signal.SIGTERM, 15), (signal.SIGKILL, 5))

    @property
    def name(self) -> str:
        """Redis or Valkey."""
        return self.program.brand.capitalize()

    @property
    def lock(self) -> Path:
        """Held while the server, or a child that rewrites its file, lives."""
        return self.data.redis_lock

    @property
    def cwd(self) -> Path:
        """Its data folder: `dir ./` works whatever the path contains, a path with spaces in the file does not."""
        return self.data.valkey if self.program.brand == "valkey" else self.data.redis

    @property
    def environment(self) -> Mapping[str, str]:
        """Nothing of ours."""
        return server_environment()

    def configure(self, port: int) -> list[str | Path]:
        """Write the configuration with the password, readable by the server's user only."""
        if not self.cwd.is_dir():
            self.cwd.mkdir(mode=0o700)
            self.user.give(self.cwd)
        config = self.cwd / CONFIG_FILE
        write_private(config, CONFIG.format(host=HOST, port=port, password=self.password))
        self.user.give(config)
        return [self.program.path, CONFIG_FILE]

    def is_ready(self, port: int, _pid: int) -> bool:
        """Whether it has read its file: until then it answers LOADING."""
        with socket.create_connection((HOST, port), timeout=ANSWER_SECONDS) as connection:
            connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
