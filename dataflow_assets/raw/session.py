"""Opens what a sync needs: the vendor's client with its shared budget and breaker, and the accounts to read."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import httpx
import redis.asyncio

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Account, Connector
from dataflow_assets.raw.airbyte import landed
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.raw.plan import ReportRules
from dataflow_assets.raw.sync import Sync
from dataflow_assets.resources.breaker import CircuitBreaker
from dataflow_assets.resources.budget import Lane, RequestBudget
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.http import ApiClient, Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.retry import ATTEMPTS
from dataflow_assets.resources.watermarks import StreamId, Watermark, mirror
from dataflow_assets.settings import Settings


def ensure_schema(platform: Platform) -> bool:
    """Bring the warehouse's schema up to date with `sql/schema/` and the declared streams. Quick when it is."""
    return platform.warehouse.migrate(_raw_tables())


@cache
def _raw_tables() -> tuple[str, ...]:
    # Every asset of a run makes sure of the schema; writing the statements anew took longer than looking.
    return tuple(statement for connector in all_connectors() for statement in create_statements(connector))


@asynccontextmanager
async def open_client(
    platform: Platform,
    connector: Connector,
    *,
    lane: Lane = Lane.LIVE,
    on_degraded: Callable[[str], None] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[ApiClient]:
    """A client of the vendor's API. Its budget and breaker are shared by all processes through Redis."""
    settings = platform.settings
    store = redis.asyncio.Redis.from_url(platform.redis_url, socket_timeout=5, socket_connect_timeout=5)
    patience = settings.max_inline_wait_seconds
    budget = RequestBudget(
        store, vendor=connector.name, max_wait_seconds=patience, on_degraded=on_degraded, clock=clock
    )
    # More failures in a row than one request has tries: one unlucky request must not stop the vendor for all.
    breaker = CircuitBreaker(
        store, name=connector.name, vendor=connector.name, failure_threshold=2 * ATTEMPTS, clock=clock
    )
    client = ApiClient(
        connector.api(settings),
        budget=budget,
        breaker=breaker,
        lane=lane,
        patience_seconds=patience,
        clock=clock,
        transport=transport,
    )
    try:
        async with client:
            yield client
    finally:
        await store.aclose()


@asynccontextmanager
async def open_sync(
    platform: Platform,
    connector: Connector,
    *,
    lane: Lane = Lane.LIVE,
    run_id: str | None = None,
    listing_holds: timedelta | None = None,
    only_accounts: tuple[str, ...] = (),
    on_note: Callable[[str], None] = lambda _note: None,
    clock: Clock = SYSTEM_CLOCK,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Sync]:
    """A sync of one vendor, ready to run. Asks the vendor, once per run, for the accounts it can see.

    With `listing_holds` it is no run, but asks what a run should do: it goes by accounts found that short a time ago by
    another that asked, and leaves those it finds to the run that follows at once in this process.

    Raises: VendorError when the accounts cannot be listed.
    """
    settings = platform.settings
    configured = settings.vendors.get(connector.name)
    if configured and configured.landing == "airbyte":
        connector = landed(connector, platform)
        listing_holds = None  # what Airbyte has landed tells the time as well, and changes from look to look
    mirror_client = platform.redis()

    def copy_watermark(stream: StreamId, watermark: Watermark) -> None:
        mirror(mirror_client, stream, watermark)

    def degraded(message: str) -> None:
        logging.getLogger(__name__).warning(message)
        on_note(message)

    async with open_client(
        platform, connector, lane=lane, on_degraded=degraded, clock=clock, transport=transport
    ) as client:
        caller = client.caller()
        found = await _visible(platform, connector, caller, run_id, listing_holds)
        visible = {account.id: account for account in found}
        wanted = only_accounts or connector.account_ids(settings) or tuple(visible)
        yield Sync(
            connector=connector,
            client=client,
            warehouse=platform.warehouse,
            rules=report_rules(connector, platform),
            accounts=_in_order(visible, wanted),
            missing_accounts=[account for account in wanted if account not in visible],
            overhead=caller.tally,
            concurrency=settings.account_concurrency,
            run_id=run_id,
            on_watermark=copy_watermark,
            on_note=on_note,
            secrets=platform.secrets,
        )
    mirror_client.close()


def report_rules(connector: Connector, platform: Platform) -> ReportRules:
    """How the vendor's report days behave, as configured."""
    return ReportRules(
        lookback=connector.lookback_days(platform.settings),
        initial_history=connector.initial_history_days(platform.settings),
        retention=connector.retention_days,
    )


LISTING_IS_HANDED_ON = timedelta(minutes=1)


@dataclass(frozen=True)
class _Listing:
    """The accounts found with given settings, how the vendor's clock stood against ours, and when that was.

    `run_id` is the run they are good for; None: they were found by one that asks what to do.
    """

    run_id: str | None
    settings: Settings
    accounts: Sequence[Account]
    skew: timedelta
    found_at: datetime

    def is_good_for(self, run_id: str | None, settings: Settings, now: datetime, holds: timedelta | None) -> bool:
        """Whether the vendor need not be asked again. `holds` is None for a run."""
        if self.settings != settings:
            return False
        if holds is not None:
            # What was wrong with an account may be mended by now.
            return not any(account.problem for account in self.accounts) and now - self.found_at < holds
        if run_id is None:
            return False
        return self.run_id == run_id or (self.run_id is None and now - self.found_at < LISTING_IS_HANDED_ON)


_listings: dict[str, _Listing] = {}  # by connector; each asset of a run opens a sync of its own


async def _visible(
    platform: Platform, connector: Connector, caller: Caller, run_id: str | None, holds: timedelta | None
) -> Sequence[Account]:
    known, settings, now = _listings.get(connector.name), platform.settings, caller.client.clock.now()
    if known and known.is_good_for(run_id, settings, now, holds):
        caller.client.skew = known.skew
        if run_id is not None:
            _listings[connector.name] = replace(known, run_id=run_id)
        return known.accounts
    found = await connector.accounts(caller, settings)
    if run_id is not None or holds is not None:
        _listings[connector.name] = _Listing(run_id, settings, found, caller.client.skew, now)
    return found


def _in_order(visible: dict[str, Account], wanted: tuple[str, ...]) -> list[Account]:
    return [visible[account] for account in wanted if account in visible]
