"""World time: it stands still or runs at a multiple of real time, and can be set."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True)
class ClockReading:
    """World time `now` as it was at real time `wall` (unix seconds), moving at `speed` since; enough to go on."""

    now: datetime
    wall: float
    speed: float


class Clock:
    """The world's one clock. Safe to use from several threads.

    `speed` is world seconds per real second; 0 means frozen. `wall` gives real time in unix seconds.
    """

    def __init__(self, now: datetime, *, speed: float = 0.0, wall: Callable[[], float] = time.time) -> None:
        if now.tzinfo is None:
            raise ValueError(f"World time needs a time zone: {now.isoformat()} has none.")
        if speed < 0:
            raise ValueError(f"World time does not run backward: speed {speed}.")
        self._wall = wall
        self._lock = threading.Lock()
        self._reading = ClockReading(now.astimezone(UTC), wall(), speed)
        self._ahead = 0.0  # how far limiters are ahead of the world, in seconds

    @classmethod
    def resumed(cls, reading: ClockReading, wall: Callable[[], float] = time.time) -> "Clock":
        """A clock that went on running while nobody held it."""
        clock = cls(reading.now, speed=reading.speed, wall=wall)
        clock._reading = reading
        return clock

    @property
    def reading(self) -> ClockReading:
        """The state to persist; see `resumed`."""
        with self._lock:
            return self._reading

    @property
    def speed(self) -> float:
        """World seconds per real second."""
        return self.reading.speed

    def now(self) -> datetime:
        """World time, in UTC."""
        with self._lock:
            return self._now(self._wall())

    def epoch(self) -> int:
        """World time in whole unix seconds."""
        return int(self.now().timestamp())

    def limiter_seconds(self) -> float:
        """Seconds for rate limiters: world time, plus the real time for which the world stood still. Never goes back.

        A frozen world must still forgive old calls, and a test that advances the clock must not wait for real.
        """
        with self._lock:
            return self._limiter(self._wall())

    def set(self, now: datetime) -> None:
        """Move to an instant; the speed stays."""
        if now.tzinfo is None:
            raise ValueError(f"World time needs a time zone: {now.isoformat()} has none.")
        with self._lock:
            self._move(now.astimezone(UTC), self._reading.speed)

    def advance(self, seconds: float) -> None:
        """Move by a number of seconds; the speed stays."""
        with self._lock:
            self._move(self._now(self._wall()) + timedelta(seconds=seconds), self._reading.speed)

    def run(self, speed: float) -> None:
        """Run from here on at `speed` times real time; 0 freezes."""
        if speed < 0:
            raise ValueError(f"World time does not run backward: speed {speed}.")
        with self._lock:
            self._move(self._now(self._wall()), speed)

    def _now(self, wall: float) -> datetime:
        passed = max(0.0, wall - self._reading.wall) * self._reading.speed
        return self._reading.now + timedelta(seconds=passed)

    def _limiter(self, wall: float) -> float:
        stood = 0.0 if self._reading.speed else max(0.0, wall - self._reading.wall)
        return self._now(wall).timestamp() + self._ahead + stood

    def _move(self, now: datetime, speed: float) -> None:
        wall = self._wall()
        passed = (now - self._now(wall)).total_seconds()
        limiter = self._limiter(wall) + max(0.0, passed)
        self._reading = ClockReading(now, wall, speed)
        self._ahead = limiter - now.timestamp()
