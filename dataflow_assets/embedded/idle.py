"""Notices that nobody uses the servers any more."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from dataflow_assets.embedded.locks import try_lock


class IdleWatch:
    """Watches `users.lock`, which every user holds shared and the kernel drops when a user dies, however it dies."""

    def __init__(self, users_lock: Path, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = users_lock
        self._grace = grace_seconds
        self._clock = clock
        self._alone_since: float | None = None
        self._last_use = 0

    def expired(self) -> bool:
        """Whether nobody has used the servers for the grace time.

        Once it says so it has kept the lock, until this process ends: newcomers wait instead of being given servers
        that are about to stop.
        """
        descriptor = try_lock(self._path)
        if descriptor is None:
            self._alone_since = None
            return False
        now, last_use = self._clock(), os.fstat(descriptor).st_mtime_ns
        if self._alone_since is None or last_use != self._last_use:  # users touch it: one may have come and gone
            self._alone_since, self._last_use = now, last_use
        if now - self._alone_since >= self._grace:
            return True
        os.close(descriptor)
        return False
