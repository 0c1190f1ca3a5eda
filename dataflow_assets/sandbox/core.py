"""What all vendors of one sandbox share: the world, its clock, the faults asked for and the requests counted."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from starlette.types import ASGIApp

from dataflow_assets.sandbox.counters import Counters
from dataflow_assets.sandbox.faults import FaultBook
from dataflow_assets.sandbox.world import Clock, World


@dataclass(frozen=True)
class Core:
    """The shared parts."""

    world: World
    clock: Clock
    faults: FaultBook
    counters: Counters


@dataclass(frozen=True)
class TruthQuery:
    """What to tell of a stream.

    `account` None means all. For daily streams: the days `first` to `last`, both included (None: from the first, until
    today); `windows` are attribution windows; `deleted` False leaves out deleted things where the vendor can.
    """

    account: str | None = None
    first: date | None = None
    last: date | None = None
    windows: tuple[str, ...] = ()
    deleted: bool = True


@dataclass(frozen=True)
class Vendor:
    """One vendor's API, as the server and the control plane need it.

    `truth` tells a stream by name, in the vendor's own terms; it raises KeyError for an unknown stream or account.
    `limits` reads the thresholds, `configure` changes some of them, `reset_limits` restores them all.
    """

    name: str
    prefix: str
    app: ASGIApp
    faults: Collection[str]
    endpoints: Collection[str]
    truth: Callable[[str, TruthQuery], Iterator[Mapping[str, Any]]]
    limits: Callable[[], Mapping[str, Any]]
    configure: Callable[[dict[str, object]], None]
    reset_limits: Callable[[], None]
