"""File locks that the kernel drops when their last holder dies, however it dies, and waiting for conditions.

A lock belongs to the open file, so a child that inherits the descriptor keeps it. That is how one can tell later
whether any process of a server is still alive (see process.py).
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from dataflow_assets.embedded.endpoints import USE_YOUR_OWN, EmbeddedError

if sys.platform != "win32":
    import fcntl

Found = TypeVar("Found")

POLL_SECONDS = 0.01


def wait_for(
    look: Callable[[], Found | None],
    seconds: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Found | None:
    """Look again and again until something is found; None when `seconds` have passed. Looks at least once."""
    end = clock() + seconds
    while True:
        found = look()
        if found is not None or clock() >= end:
            return found
        sleep(POLL_SECONDS)


def try_lock(path: Path, *, shared: bool = False) -> int | None:
    """Lock the file now, creating it if needed.

    Returns:
        The descriptor; closing it, in every process that inherited it, gives the lock back. A bare number, so that
        nothing closes it when the last reference to it goes. None when somebody else holds the lock.
    """
    if sys.platform == "win32":
        raise EmbeddedError(f"The private servers do not run on Windows. {USE_YOUR_OWN} use WSL.")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock exclusively or shared. Takes it for an instant."""
    if not path.exists():
        return False
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


@contextmanager
def locked(path: Path, seconds: float) -> Iterator[None]:
    """Hold the lock exclusively.

    Raises:
        EmbeddedError: when somebody else held it for all of `seconds`.
    """
    descriptor = wait_for(lambda: try_lock(path), seconds)
    if descriptor is None:
        raise EmbeddedError(f"Another process has held {path} for {seconds:.0f} seconds. End it and try again.")
    try:
        yield
    finally:
        os.close(descriptor)
