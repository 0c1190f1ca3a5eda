"""What happens to a campaign, ad set or ad: a story over the world's days, which gives its state at any instant."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from dataflow_assets.sandbox.world.chance import between, draws

Span = tuple[int, int]  # day ordinals, half open


class Status(StrEnum):
    """What its owner set it to."""

    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    ARCHIVED = "ARCHIVED"
    DELETED = "DELETED"


class Move(StrEnum):
    """Something its owner does to it."""

    RENAME = "rename"
    BUDGET = "budget"
    PAUSE = "pause"
    RESUME = "resume"
    ARCHIVE = "archive"
    DELETE = "delete"


_STATUS_AFTER = {
    Move.PAUSE: Status.PAUSED,
    Move.RESUME: Status.ACTIVE,
    Move.ARCHIVE: Status.ARCHIVED,
    Move.DELETE: Status.DELETED,
}
_FOREVER = date.max.toordinal()
_SECONDS_BETWEEN = 60  # what happens on one day happens one after the other
_MOST_DAYS_BEFORE_START = 60
_UNPUNCTUAL = 30  # a move comes up to a thirtieth of the time left later than its story says
_RENAMES = (" v2", " | refresh", " (neu)", " ✓")


@dataclass(frozen=True)
class Story:
    """When it is created and what happens then, in thousandths of the days that are left to it.

    `begins=0` means it was there when the history starts. `ends` is a planned last day, known from the beginning.
    """

    begins: int
    moves: tuple[tuple[int, Move], ...] = ()
    ends: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """What an owner reads about the thing at some instant; times in unix seconds, budget in minor units."""

    name: str
    status: Status
    daily_budget: int
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Life:
    """Every state it ever has, oldest first, and the days on which it may deliver."""

    states: tuple[State, ...]
    spans: tuple[Span, ...]
    created_day: int
    end_day: int | None

    @property
    def created(self) -> int:
        """Unix seconds of its creation."""
        return self.states[0].created

    def at(self, instant: int) -> State | None:
        """Its state at an instant in unix seconds; None before it was created."""
        found = None
        for state in self.states:
            if state.updated > instant:
                break
            found = state
        return found


def live(
    story: Story, *, identity: bytes, name: str, daily_budget: int, days: Span, parent: Life | None, zone: ZoneInfo
) -> Life:
    """Play a story.

    Args:
        story: What happens.
        identity: The thing's salt; it decides days and hours within the story.
        name: Its first name.
        daily_budget: In minor units of the account's currency.
        days: The world's days as planned.
        parent: What it lives in: it is created later, and delivers only when its parent does.
        zone: The account's time zone.
    """
    start, end = days
    created_day = _created_day(story, identity, days, parent)
    created = _instant(created_day, identity, 0, zone)
    if parent:
        created = max(created, parent.created + _SECONDS_BETWEEN)
    first_day = max(start, created_day)
    left = max(0, end - first_day)
    state = State(name, Status.ACTIVE, daily_budget, created, created)
    states = [state]
    switches: list[tuple[int, bool]] = [(created_day, True)]
    for number, (when, move) in enumerate(story.moves, start=1):
        late = between(draws(identity, number)[1], 0, left // _UNPUNCTUAL)
        day = first_day + left * when // 1_000 + late
        at = max(_instant(day, identity, number, zone), state.updated + _SECONDS_BETWEEN)
        state = replace(_moved(state, move, number), updated=at)
        states.append(state)
        switches.append((day, state.status is Status.ACTIVE))
    end_day = None if story.ends is None else first_day + left * story.ends // 1_000
    spans = overlap(_active(switches), ((start, _FOREVER if end_day is None else end_day),))
    return Life(tuple(states), overlap(spans, parent.spans) if parent else spans, created_day, end_day)


def _created_day(story: Story, identity: bytes, days: Span, parent: Life | None) -> int:
    start, end = days
    if parent is None and story.begins == 0:
        return start - between(draws(identity, 0)[0], 1, _MOST_DAYS_BEFORE_START)
    if parent and story.begins == 0:
        return parent.created_day
    begin = max(start, parent.created_day) if parent else start
    return begin + (end - begin) * story.begins // 1_000


def _active(switches: list[tuple[int, bool]]) -> tuple[Span, ...]:
    """The days between being switched on and off; on the day of a switch nothing is delivered."""
    spans: list[Span] = []
    since: int | None = None
    for day, on in switches:
        if on and since is None:
            since = day + 1
        elif not on and since is not None:
            spans.append((since, day))
            since = None
    if since is not None:
        spans.append((since, _FOREVER))
    return tuple(spans)


def overlap(left: tuple[Span, ...], right: tuple[Span, ...]) -> tuple[Span, ...]:
    """The days that lie in both."""
    both = [(max(a, c), min(b, d)) for a, b in left for c, d in right]
    return tuple(sorted((a, b) for a, b in both if a < b))


def _instant(day: int, identity: bytes, number: int, zone: ZoneInfo) -> int:
    hour, minute, second, *_ = draws(identity + b"time of day", number)
    when = date.fromordinal(day)
    local = datetime(
        when.year,
        when.month,
        when.day,
        between(hour, 7, 19),
        between(minute, 0, 59),
        between(second, 0, 59),
        tzinfo=zone,
    )
    return int(local.timestamp())


def _moved(state: State, move: Move, number: int) -> State:
    if move is Move.RENAME:
        return replace(state, name=state.name + _RENAMES[number % len(_RENAMES)])
    if move is Move.BUDGET:
        return replace(state, daily_budget=state.daily_budget * 5 // 4)
    return replace(state, status=_STATUS_AFTER[move])
