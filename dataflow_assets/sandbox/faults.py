"""Faults on demand: rules that say which requests go wrong, how, and how often.

The rules know nothing of a vendor. Each vendor names the faults it can produce and, per request, those that make sense
there; a rule neither counts nor fires where its fault makes no sense.
"""

import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime

import msgspec

from dataflow_assets.sandbox.world.chance import draws, salt

TRANSPORT_FAULTS = frozenset({"slow", "cut_connection", "malformed_page", "html_502"})
"""What can go wrong with any HTTP answer."""


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which requests; None stands for any."""

    vendor: str | None = None
    account: str | None = None
    endpoint: str | None = None

    def covers(self, vendor: str, account: str | None, endpoint: str) -> bool:
        """Whether a request is meant. Account ids count with and without their `act_`."""
        return (
            self.vendor in (None, vendor)
            and self.endpoint in (None, endpoint)
            and (self.account is None or (account is not None and self.account.removeprefix("act_") == account))
        )


class FaultRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault. Of the requests that match, the first `after` pass; then it fires `times` times (None: always).

    With a `probability` each of these requests is hit by a chance that only depends on the seed and on how many came
    before. `status`, `code` and `seconds` override what the fault would otherwise answer, where that makes sense.

    With `since` and `until` (instants of world time with a time zone, the latter not included) only requests within
    that time match. Raises ValueError for a time without a zone or one that ends before it begins.
    """

    fault: str
    match: Match = Match()
    times: int | None = None
    after: int = 0
    probability: float = 1.0
    status: int | None = None
    code: int | None = None
    seconds: float | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        for name, instant in (("since", self.since), ("until", self.until)):
            if instant is not None and instant.tzinfo is None:
                raise ValueError(f"`{name}` of a fault needs a time zone: {instant.isoformat()} has none.")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ValueError(f"A fault cannot strike until {self.until} when it begins at {self.since}.")

    def in_force(self, now: datetime) -> bool:
        """Whether its time has come and is not over."""
        return (self.since is None or self.since <= now) and (self.until is None or now < self.until)


@dataclass
class _Entry:
    rule: FaultRule
    salt: bytes
    seen: int = 0
    fired: int = 0

    def due(self) -> bool:
        """Count one matching request and say whether it is hit."""
        self.seen += 1
        if self.seen <= self.rule.after or self.fired == self.rule.times:
            return False
        if draws(self.salt, self.seen)[0] >= self.rule.probability * 2**32:
            return False
        self.fired += 1
        return True


class FaultBook:
    """The rules there are, oldest first. `now` tells world time. Safe to use from several threads."""

    def __init__(self, seed: int, now: Callable[[], datetime]) -> None:
        self._seed = seed
        self._now = now
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []

    def add(self, *rules: FaultRule) -> None:
        """Put rules in force, after those already there."""
        with self._lock:
            for rule in rules:
                number = len(self._entries)
                self._entries.append(_Entry(rule, salt(self._seed, "fault", number)))

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            self._entries.clear()

    def listing(self) -> list[dict[str, object]]:
        """The rules with how many matching requests each has `seen` and how often it has `fired`."""
        with self._lock:
            return [
                {**msgspec.to_builtins(entry.rule), "seen": entry.seen, "fired": entry.fired} for entry in self._entries
            ]

    def fire(self, vendor: str, account: str | None, endpoint: str, possible: Container[str]) -> list[FaultRule]:
        """The rules that hit this request, among the faults `possible` there; a request counts at every match."""
        now = self._now()
        with self._lock:
            return [
                entry.rule
                for entry in self._entries
                if entry.rule.fault in possible
                and entry.rule.match.covers(vendor, account, endpoint)
                and entry.rule.in_force(now)
                and entry.due()
            ]
