"""State folders for real servers. Whatever a test starts in them is stopped and erased after it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataflow_assets.embedded import erase, stop


@contextmanager
def _open_dir() -> Iterator[Path]:
    parent = Path(tempfile.mkdtemp(prefix="dataflow-test-"))
    parent.chmod(0o755)
    yield parent
    for lock in parent.rglob("start.lock"):
        erase(lock.parent)
    shutil.rmtree(parent)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A new state folder that every user may enter, unlike pytest's own: as root the data stays in it."""
    with _open_dir() as parent:
        yield parent / "state"


@pytest.fixture(scope="module")
def _state_dir_of_module() -> Iterator[Path]:
    with _open_dir() as parent:
        yield parent / "state"


@pytest.fixture
def used_state_dir(_state_dir_of_module: Path) -> Iterator[Path]:
    """A state folder shared by the tests of a module, which spares them creating a database; nothing runs in it."""
    yield _state_dir_of_module
    stop(_state_dir_of_module)


@pytest.fixture
def closed_dir(tmp_path: Path) -> Iterator[Path]:
    """A folder that only its owner may enter."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    yield closed
    for lock in closed.rglob("start.lock"):
        erase(lock.parent)
