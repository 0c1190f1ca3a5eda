"""What tests look at beside the public functions: processes, ports, conditions that become true."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from dataflow_assets.embedded.layout import DataRoot, StateDir, moved_data_root
from dataflow_assets.embedded.locks import is_locked, wait_for

PATIENCE = 30.0


def eventually(condition: Callable[[], object]) -> None:
    """Wait until the condition holds; fail if it does not within half a minute."""
    assert wait_for(lambda: True if condition() else None, PATIENCE), "it did not happen"


def listens(url: str) -> bool:
    """Whether a server listens at the address of the URL."""
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def supervisors(state_dir: Path) -> list[str]:
    """Process ids of all supervisors that ever owned the folder."""
    return re.findall(r"process (\d+) owns", StateDir(state_dir).log("supervisor").read_text("utf-8"))


def locks(state_dir: Path) -> dict[str, Path]:
    """The lock of each kind of process."""
    state = StateDir(state_dir)
    data = moved_data_root(state) or DataRoot(state.path)
    return {
        "supervisor": state.supervisor_lock,
        "sandbox": state.sandbox_lock,
        "postgres": data.postgres_lock,
        "redis": data.redis_lock,
    }


def alive(state_dir: Path) -> set[str]:
    """The processes that live. Look only while no supervisor is starting: looking takes the locks for an instant."""
    return {name for name, lock in locks(state_dir).items() if is_locked(lock)}


def pid(state_dir: Path, name: str) -> int:
    """The process id of the supervisor or of one of its servers."""
    if name == "supervisor":
        return int(supervisors(state_dir)[-1])
    return int(locks(state_dir)[name].read_text("utf-8"))
