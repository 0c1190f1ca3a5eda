"""What can be done to a running sandbox, by the control plane and by a test alike."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.scenario import Scenario

_LINES_PER_CHUNK = 500


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST clock` takes: any of these, applied in this order."""

    now: datetime | None = None
    advance_seconds: float | None = None
    speed: float | None = None


def find_vendor(vendors: Mapping[str, Vendor], name: str) -> Vendor:
    """The vendor of that name. Raises ValueError when there is none."""
    if name not in vendors:
        raise ValueError(f"There is no vendor {name!r}; known: {', '.join(sorted(vendors))}.")
    return vendors[name]


def move_clock(core: Core, change: ClockChange) -> None:
    """Set, advance, then change the speed. Raises ValueError for an instant without a time zone."""
    if change.now is not None:
        core.clock.set(change.now)
    if change.advance_seconds is not None:
        core.clock.advance(change.advance_seconds)
    if change.speed is not None:
        core.clock.run(change.speed)


def stage(core: Core, vendors: Mapping[str, Vendor], scenario: Scenario) -> None:
    """Put a scenario's faults and limits in the place of those there are, and forgive all calls. The clock stays.

    Raises ValueError, and changes nothing, when the world or its vendors are not what the scenario needs.
    """
    config = core.world.config
    missing = scenario.misfits(config)
    if missing:
        raise ValueError(f"The scenario {scenario.name} needs another world: one with {', '.join(missing)}.")
    rules = scenario.rules(config)
    _check_faults(vendors, rules)
    for name in scenario.limits:
        find_vendor(vendors, name)
    core.faults.clear()
    for vendor in vendors.values():
        vendor.reset_limits()
    for name, change in scenario.limits.items():
        vendors[name].configure(dict(change))
    core.faults.add(*rules)


def add_faults(core: Core, vendors: Mapping[str, Vendor], rules: list[FaultRule]) -> None:
    """Put rules in force. Raises ValueError, and adds none, when one could never fire for what it names."""
    _check_faults(vendors, rules)
    core.faults.add(*rules)


def _check_faults(vendors: Mapping[str, Vendor], rules: list[FaultRule]) -> None:
    for rule in rules:
        name = rule.match.vendor
        meant = list(vendors.values()) if name is None else [find_vendor(vendors, name)]
        faults = {name for vendor in meant for name in vendor.faults}
        if rule.fault not in faults:
            raise ValueError(f"There is no fault {rule.fault!r}; known: {', '.join(sorted(faults))}.")
        endpoints = {name for vendor in meant for name in vendor.endpoints}
        if rule.match.endpoint is not None and rule.match.endpoint not in endpoints:
            raise ValueError(f"There is no endpoint {rule.match.endpoint!r}; known: {', '.join(sorted(endpoints))}.")


def truth(vendors: Mapping[str, Vendor], vendor: str, stream: str, query: TruthQuery) -> Iterator[Mapping[str, Any]]:
    """The rows of a stream. Raises ValueError for an unknown vendor, stream or account."""
    teller = find_vendor(vendors, vendor)
    try:
        return teller.truth(stream, query)
    except KeyError as error:
        raise ValueError(f"{vendor} has no stream or account {error} in this world.") from None


def ndjson(rows: Iterator[Mapping[str, Any]]) -> Iterator[bytes]:
    """Rows as lines of JSON, some hundred at a time."""
    chunk: list[bytes] = []
    for row in rows:
        chunk.append(msgspec.json.encode(row))
        if len(chunk) == _LINES_PER_CHUNK:
            yield b"\n".join(chunk) + b"\n"
            chunk.clear()
    if chunk:
        yield b"\n".join(chunk) + b"\n"
