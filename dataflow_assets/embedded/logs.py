"""Log files of the servers: append, keep small, quote the end of one in an error."""

import os
from pathlib import Path
from typing import BinaryIO

KEPT_BYTES = 5_000_000
TAIL_LINES = 15
TAIL_BYTES = 8_000


def open_log(path: Path) -> BinaryIO:
    """Open a log for appending; a large one is set aside first, as `<name>.log.1`."""
    if path.exists() and path.stat().st_size > KEPT_BYTES:
        path.replace(path.with_name(path.name + ".1"))
    log = path.open("ab")
    log.seek(0, os.SEEK_END)
    return log


def tail(log: Path, start: int = 0) -> str:
    """The last lines of a log, from byte `start` on."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - TAIL_BYTES))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return "\n".join(lines[-TAIL_LINES:])
