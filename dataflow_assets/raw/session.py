"""Opens what a sync needs: the vendor's client with its shared budget and breaker, and the accounts to read."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

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
    return platform.warehouse.migrate(
        statement for connector in all_connectors() for statement in create_statements(connector)
    )


@asynccontextmanager
async def open_client(
    platform: Platform,
    connector: Connector,
    *,
    lane: Lane = Lane.LIVE,
    clock: Clock = SYSTEM_CLOCK,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[ApiClient]:
    """A client of the vendor's API. Its budget and breaker are shared by all processes through Redis."""
    settings = platform.settings
    store = redis.asyncio.Redis.from_url(platform.redis_url, socket_timeout=5, socket_connect_timeout=5)
    patience = settings.max_inline_wait_seconds
    budget = RequestBudget(store, vendor=connector.name, max_wait_seconds=patience, clock=clock)
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
    only_accounts: tuple[str, ...] = (),
    on_note: Callable[[str], None] = lambda _note: None,
    clock: Clock = SYSTEM_CLOCK,
    transport: httpx.AsyncBaseTransport | None = None,
) -> AsyncIterator[Sync]:
    """A sync of one vendor, ready to run. Asks the vendor, once per run, for the accounts it can see.

    Raises: VendorError when the accounts cannot be listed.
    """
    settings = platform.settings
    configured = settings.vendors.get(connector.name)
    if configured and configured.landing == "airbyte":
        connector = landed(connector, platform)
    mirror_client = platform.redis()

    def copy_watermark(stream: StreamId, watermark: Watermark) -> None:
        mirror(mirror_client, stream, watermark)

    async with open_client(platform, connector, lane=lane, clock=clock, transport=transport) as client:
        caller = client.caller()
        visible = {account.id: account for account in await _visible(platform, connector, caller, run_id)}
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


@dataclass(frozen=True)
class _Listing:
    """The accounts one run has found with given settings, and how the vendor's clock stood against ours."""

    run_id: str
    settings: Settings
    accounts: Sequence[Account]
    skew: timedelta


_listings: dict[str, _Listing] = {}  # by connector; each asset of a run opens a sync of its own


async def _visible(platform: Platform, connector: Connector, caller: Caller, run_id: str | None) -> Sequence[Account]:
    known, settings = _listings.get(connector.name), platform.settings
    if known and run_id is not None and (known.run_id, known.settings) == (run_id, settings):
        caller.client.skew = known.skew
        return known.accounts
    found = await connector.accounts(caller, settings)
    if run_id is not None:
        _listings[connector.name] = _Listing(run_id, settings, found, caller.client.skew)
    return found


def _in_order(visible: dict[str, Account], wanted: tuple[str, ...]) -> list[Account]:
    return [visible[account] for account in wanted if account in visible]
