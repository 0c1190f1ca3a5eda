"""A sandbox inside a test: `with run_sandbox() as sandbox: ...` serves on a free port of the loopback interface."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import uvicorn

from dataflow_assets.sandbox.core import TruthQuery
from dataflow_assets.sandbox.faults import FaultRule, Match
from dataflow_assets.sandbox.google_ads.vendor import PREFIX as GOOGLE_PREFIX
from dataflow_assets.sandbox.hubspot.vendor import PREFIX as HUBSPOT_PREFIX
from dataflow_assets.sandbox.linkedin_ads.vendor import PREFIX as LINKEDIN_PREFIX
from dataflow_assets.sandbox.meta_ads.auth import APP_SECRET, TOKEN
from dataflow_assets.sandbox.meta_ads.vendor import PREFIX as META_PREFIX
from dataflow_assets.sandbox.scenario import load
from dataflow_assets.sandbox.server import CONTROL_PREFIX, Sandbox, listen, server_config
from dataflow_assets.sandbox.steering import add_faults, stage, truth
from dataflow_assets.sandbox.stripe.vendor import PREFIX as STRIPE_PREFIX
from dataflow_assets.sandbox.world import Clock, WorldConfig

__all__ = ["APP_SECRET", "TOKEN", "Match", "RunningSandbox", "run_sandbox"]

_START_SECONDS = 10.0


class RunningSandbox:
    """A served sandbox and its controls, which act at once and may be used from any thread."""

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self._sandbox = sandbox
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.meta_url = f"{self.url}{META_PREFIX}"
        self.google_url = f"{self.url}{GOOGLE_PREFIX}"
        self.linkedin_url = f"{self.url}{LINKEDIN_PREFIX}"
        self.hubspot_url = f"{self.url}{HUBSPOT_PREFIX}"
        self.stripe_url = f"{self.url}{STRIPE_PREFIX}"
        self.control_url = f"{self.url}{CONTROL_PREFIX}"

    @property
    def config(self) -> WorldConfig:
        """What the world was made from."""
        return self._sandbox.core.world.config

    @property
    def clock(self) -> Clock:
        """World time: `now`, `set`, `advance`, `run`."""
        return self._sandbox.core.clock

    def fault(
        self,
        fault: str,
        *,
        vendor: str | None = None,
        account: str | None = None,
        endpoint: str | None = None,
        **details: Any,
    ) -> None:
        """Put one fault rule in force; `details` are the other fields of a `FaultRule`.

        Raises ValueError for a rule that could never fire.
        """
        rule = FaultRule(fault, Match(vendor, account, endpoint), **details)
        add_faults(self._sandbox.core, self._sandbox.vendors, [rule])

    def clear_faults(self) -> None:
        """Let everything work again."""
        self._sandbox.core.faults.clear()

    def fault_names(self, vendor: str) -> list[str]:
        """What can go wrong at a vendor."""
        return sorted(self._sandbox.vendors[vendor].faults)

    def faults(self) -> list[dict[str, object]]:
        """The rules in force with how often each has `fired`."""
        return self._sandbox.core.faults.listing()

    def limits(self, vendor: str, **changes: object) -> None:
        """Change thresholds of a vendor."""
        self._sandbox.vendors[vendor].configure(changes)

    def reset_limits(self) -> None:
        """Default thresholds again, and all calls forgiven."""
        for vendor in self._sandbox.vendors.values():
            vendor.reset_limits()

    def requests(self) -> Mapping[str, Any]:
        """The request counts, as `GET /_sandbox/requests` tells them."""
        return self._sandbox.core.counters.snapshot()

    def reset_requests(self) -> None:
        """Count from zero."""
        self._sandbox.core.counters.reset()

    def truth(
        self,
        vendor: str,
        stream: str,
        *,
        account: str | None = None,
        first: date | None = None,
        last: date | None = None,
        windows: tuple[str, ...] = (),
        deleted: bool = True,
    ) -> list[Mapping[str, Any]]:
        """What the world holds now; `first` and `last` are both included."""
        query = TruthQuery(account, first, last, windows, deleted)
        return list(truth(self._sandbox.vendors, vendor, stream, query))


@contextmanager
def run_sandbox(
    config: WorldConfig | None = None,
    *,
    now: datetime | None = None,
    speed: float = 0.0,
    scenario: str | None = None,
) -> Iterator[RunningSandbox]:
    """Serve a world until the block ends.

    A `scenario` brings its world, time, faults and limits; a `config` or `now` besides is taken instead of its own.
    Without either the time is noon UTC of the last day of the world's planned history. It stands still unless `speed`
    says otherwise.

    Raises ValueError for a scenario that there is not, or that needs another world than `config`.
    """
    told = load(scenario) if scenario else None
    config = config or (told.config() if told else WorldConfig())
    if now is None:
        noon = datetime(config.start.year, config.start.month, config.start.day, 12, tzinfo=UTC)
        now = told.now(config) if told else noon + timedelta(days=config.days)
    sandbox = Sandbox(config, Clock(now, speed=speed))
    if told:
        stage(sandbox.core, sandbox.vendors, told)
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(server_config(sandbox.app))
    thread = threading.Thread(target=server.run, args=([listener],), name="sandbox", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise RuntimeError("The sandbox did not start.")
            time.sleep(0.002)
        yield RunningSandbox(sandbox, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        listener.close()
