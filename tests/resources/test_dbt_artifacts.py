"""What dbt commands leave behind is not kept for ever."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataflow_assets.resources.dbt import ARTIFACTS_KEPT, TARGET, prune_artifacts
from dataflow_assets.settings import get_settings


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DATAFLOW_STATE_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield tmp_path / TARGET
    get_settings.cache_clear()


def test_the_latest_commands_are_kept_and_what_is_no_commands_stays(target: Path) -> None:
    kept = {"compiled", "transform_models-abc-def"}
    for name in kept:
        (target / name).mkdir(parents=True)
    names = [f"transform_facts-{n:07x}-{n:07x}" for n in range(ARTIFACTS_KEPT + 3)]
    for age, name in enumerate(names):
        (target / name).mkdir()
        (target / name / "manifest.json").write_text("{}")
        os.utime(target / name, (2_000_000_000 - age, 2_000_000_000 - age))
    prune_artifacts()
    assert {path.name for path in target.iterdir()} == kept | set(names[:ARTIFACTS_KEPT])


def test_before_the_first_command_there_is_nothing_to_prune(target: Path) -> None:
    prune_artifacts()
    assert not target.exists()
