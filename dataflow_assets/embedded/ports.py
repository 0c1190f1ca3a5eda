"""Ports on 127.0.0.1 that stay the same from start to start while nobody else takes them."""

import json
import socket
from pathlib import Path

from dataflow_assets.embedded.endpoints import HOST, write_private


class Ports:
    """The remembered ports of the servers of one state folder, kept in the JSON file `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._ports: dict[str, int] = json.loads(path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):  # a port is not worth a failed start
            self._ports = {}

    def choose(self, name: str) -> int:
        """The port server `name` had before if it is free, else a free one, remembered from now on."""
        port = self._ports.get(name)
        taken_by_ours = {other for key, other in self._ports.items() if key != name}
        while port is None or port in taken_by_ours or not is_free(port):
            port = _any_free_port()
        if self._ports.get(name) != port:
            self._ports[name] = port
            write_private(self._path, json.dumps(self._ports))
        return port


def is_free(port: int) -> bool:
    """Whether a server could listen at this port now."""
    with socket.socket() as probe:
        # Without this, connections of the last run that still linger in TIME_WAIT would change the port at every start.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
