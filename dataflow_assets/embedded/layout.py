"""The files of one state folder: who writes each and what it means.

users.lock        shared by every user of the servers, exclusive for the supervisor once nobody is left
start.lock        held for the moment in which somebody looks whether a supervisor lives, or starts one
supervisor.lock   held by the supervisor: it lives if and only if this lock is held. A process id would not do:
                  a dead child that nobody has waited for still answers signal 0
endpoints.json    the URLs, there while the servers are up; mode 600
ports.json        ports of the last start, taken again when free, so that a saved connection stays valid
secret            password of both servers; mode 600
startup.error     why the last start failed, for everybody who waited for it
stop.request      somebody asks the supervisor to stop now
sandbox.request   the sandbox command somebody asks the supervisor to run; removed when it is answered
sandbox.error     why the sandbox does not run
data_root         where the data is when it could not be kept here (see placement.py)
pgdata, redis, valkey                         the data of the servers, see DataRoot
postgres.lock, redis.lock, sandbox.lock       held while any process of that server lives
log               supervisor.log, postgres.log, initdb.log, redis.log, sandbox.log
"""

from pathlib import Path


class StateDir:
    """Names in the state folder `path`, an absolute path. Creates nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.users_lock = path / "users.lock"
        self.start_lock = path / "start.lock"
        self.supervisor_lock = path / "supervisor.lock"
        self.sandbox_lock = path / "sandbox.lock"
        self.endpoints = path / "endpoints.json"
        self.ports = path / "ports.json"
        self.secret = path / "secret"
        self.startup_error = path / "startup.error"
        self.stop_request = path / "stop.request"
        self.sandbox_request = path / "sandbox.request"
        self.sandbox_error = path / "sandbox.error"
        self.data_root = path / "data_root"
        self.logs = path / "log"

    def log(self, name: str) -> Path:
        """The log file of one program."""
        return self.logs / f"{name}.log"

    @property
    def messages(self) -> list[Path]:
        """What supervisor and users tell each other; meaningless once the supervisor is gone."""
        return [
            self.endpoints,
            self.startup_error,
            self.stop_request,
            self.sandbox_request,
            self.sandbox_error,
        ]


class DataRoot:
    """Names in the folder that holds the data: the state folder itself, or its stand-in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pgdata = path / "pgdata"
        self.pgdata_new = path / "pgdata.new"
        self.initdb_secret = path / "initdb.secret"
        self.redis = path / "redis"
        self.valkey = path / "valkey"
        self.postgres_lock = path / "postgres.lock"
        self.redis_lock = path / "redis.lock"
        self.owner = path / "owner"

    @property
    def everything(self) -> list[Path]:
        """All of the above."""
        return [value for value in vars(self).values() if value != self.path]


def moved_data_root(state: StateDir) -> DataRoot | None:
    """The place below /var/lib/dataflow that this state folder uses; None when it keeps its data itself."""
    try:
        return DataRoot(Path(state.data_root.read_text("utf-8")))
    except FileNotFoundError:
        return None
