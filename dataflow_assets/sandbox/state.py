"""The state file: configuration and clock of a world, so that a restarted sandbox goes on with the same one."""

import os
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from dataflow_assets.sandbox.world import Clock, WorldConfig
from dataflow_assets.sandbox.world.clock import ClockReading


class _Clock(msgspec.Struct):
    now: datetime
    wall: float
    speed: float


class _State(msgspec.Struct):
    world: dict[str, Any]
    clock: _Clock


def load(path: Path) -> tuple[WorldConfig, Clock] | None:
    """The world and its clock as last saved; None when there is no file.

    A clock that was running has gone on running since, so a crash costs nothing.

    Raises:
        ValueError: the file is not a state file; it is left as it is.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        state = msgspec.json.decode(raw, type=_State)
        start = date.fromisoformat(state.world.pop("start"))
        config = WorldConfig(start=start, **state.world)
        clock = Clock.resumed(ClockReading(state.clock.now, state.clock.wall, state.clock.speed))
    except (msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} does not hold the state of a sandbox ({error}). Name another file, or remove this one to begin a "
            "new world."
        ) from error
    return config, clock


def save(path: Path, config: WorldConfig, clock: Clock) -> None:
    """Write the state. Whoever reads meanwhile, or after a crash, finds the old file or the new one, whole."""
    reading = clock.reading
    state = _State(asdict(config), _Clock(reading.now, reading.wall, reading.speed))
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(state)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
