"""Scenarios: situations that a warehouse must live through, each a file that says when in which world, and what fails.

Some need no fault: the world holds them, and the file says where to look. `scenarios/*.toml`:

    title = "One line"
    description = "What happens, and what a warehouse should make of it."
    day = 59          # days after the first of the world's history; or `now` = an instant, and the world's `start`
    time = 11:30:00   # UTC; noon if left out

    [world]           # what the situation needs of WorldConfig; other worlds are refused
    seed = 7

    [[faults]]        # as in POST /_sandbox/faults; times may be told from the scenario's own time on
    fault = "throttle_day"
    since = "+30m"
    until = "+12h30m"

    [limits.linkedin_ads]
    refresh_token_days = 120
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec

from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.world import WorldConfig

_FOLDER = Path(__file__).parent / "scenarios"
_NOON = time(12)
_MOST_DAYS = 10_000
_OFFSET = re.compile(r"(?P<sign>[+-])(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?", re.ASCII)
_WORLD_FIELDS = frozenset(field.name for field in fields(WorldConfig))


@dataclass(frozen=True)
class PlannedFault:
    """A rule, and when it begins and ends as told from the scenario's time; None where the rule itself says."""

    rule: FaultRule
    since: timedelta | None = None
    until: timedelta | None = None

    def at(self, now: datetime) -> FaultRule:
        """The rule with its times. Raises ValueError when it ends before it begins."""
        since = self.rule.since if self.since is None else now + self.since
        until = self.rule.until if self.until is None else now + self.until
        return msgspec.structs.replace(self.rule, since=since, until=until)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One situation. Its time is an instant, or a day after the world's start with the time of that day (UTC).

    `world` holds what it asks of a WorldConfig, by field.
    """

    name: str
    title: str
    description: str
    moment: datetime | tuple[int, time]
    world: Mapping[str, Any]
    faults: tuple[PlannedFault, ...]
    limits: Mapping[str, Mapping[str, object]]

    def config(self) -> WorldConfig:
        """The world it asks for, with defaults for the rest. Raises ValueError for sizes that no world has."""
        return WorldConfig(**self.world)

    def in_world(self, **others: Any) -> "Scenario":
        """The same in a world that differs as told, whether the situation can still be seen in it or not."""
        return replace(self, world={**self.world, **others})

    def misfits(self, config: WorldConfig) -> list[str]:
        """What a world would have to be for this, as `seed=7`, where it is not."""
        actual = asdict(config)
        return [f"{name}={value}" for name, value in self.world.items() if actual[name] != value]

    def now(self, config: WorldConfig) -> datetime:
        """The scenario's time in a world."""
        if isinstance(self.moment, datetime):
            return self.moment
        day, at = self.moment
        return datetime.combine(config.start + timedelta(days=day), at, UTC)

    def rules(self, config: WorldConfig) -> list[FaultRule]:
        """The faults with their times in a world."""
        now = self.now(config)
        return [fault.at(now) for fault in self.faults]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    """What a file may hold."""

    title: str
    description: str
    now: datetime | None = None
    day: Annotated[int, msgspec.Meta(ge=0, le=_MOST_DAYS)] | None = None
    at: time | None = msgspec.field(default=None, name="time")
    world: dict[str, Any] = {}
    faults: list[dict[str, Any]] = []
    limits: dict[str, dict[str, Any]] = {}


def names() -> list[str]:
    """The names of all scenarios, in order."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name: str) -> Scenario:
    """The scenario of that name. Raises ValueError when there is none."""
    if name not in names():
        raise ValueError(f"There is no scenario {name!r}; known: {', '.join(names())}.")
    return read(_FOLDER / f"{name}.toml")


def read(path: Path) -> Scenario:
    """The scenario in a file. Raises ValueError, naming the file, for what it should not hold."""
    try:
        file = msgspec.toml.decode(path.read_bytes(), type=_File)
        scenario = Scenario(
            name=path.stem,
            title=file.title,
            description=" ".join(file.description.split()),
            moment=_moment(file),
            world=_world(file.world),
            faults=tuple(_planned(fault) for fault in file.faults),
            limits=file.limits,
        )
        scenario.rules(scenario.config())
    except (msgspec.DecodeError, ValueError) as error:
        raise ValueError(f"{path.name} is no scenario: {error}") from error
    return scenario


def _moment(file: _File) -> datetime | tuple[int, time]:
    if (file.now is None) == (file.day is None):
        raise ValueError("it tells its time by either `now` or `day`")
    if file.day is not None:
        return file.day, file.at or _NOON
    if file.now is None or file.now.tzinfo is None or file.at is not None:
        raise ValueError("`now` is an instant with a time zone and stands without `time`")
    if "start" not in file.world:
        raise ValueError("with `now` it has to name the world's `start`, or its time could lie before it")
    return file.now.astimezone(UTC)


def _world(told: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = told.keys() - _WORLD_FIELDS
    if unknown:
        raise ValueError(f"a world has no {', '.join(sorted(unknown))}; known: {', '.join(sorted(_WORLD_FIELDS))}")
    config = msgspec.convert(told, WorldConfig)
    return {name: getattr(config, name) for name in told}


def _planned(told: Mapping[str, Any]) -> PlannedFault:
    offsets = {name: told[name] for name in ("since", "until") if isinstance(told.get(name), str)}
    rule = msgspec.convert({name: value for name, value in told.items() if name not in offsets}, FaultRule)
    return PlannedFault(rule, **{name: _offset(text) for name, text in offsets.items()})


def _offset(text: str) -> timedelta:
    """The time that `+6h`, `+1d12h` or `-30m` means."""
    match = _OFFSET.fullmatch(text)
    if match is None or match["sign"] == text:
        raise ValueError(f"{text!r} is no time like +6h, +1d12h or -30m")
    parts = {name: int(match[name] or 0) for name in ("days", "hours", "minutes")}
    return timedelta(**parts) * (1 if match["sign"] == "+" else -1)
