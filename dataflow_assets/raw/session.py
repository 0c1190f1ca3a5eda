"""Opens what a sync needs: the vendor's client with its shared budget and breaker, and the accounts to read."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import redis.asyncio

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Account, Connector
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.raw.plan import ReportRules
from dataflow_assets.raw.sync import Sync
from dataflow_assets.resources.breaker import CircuitBreaker
from dataflow_assets.resources.budget import Lane, RequestBudget
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.http import ApiClient
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.retry import ATTEMPTS
from dataflow_assets.resources.watermarks import StreamId, Watermark, mirror


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
    """A sync of one vendor, ready to run. Asks the vendor once for the accounts it can see.

    Raises: VendorError when the accounts cannot be listed.
    """
    settings = platform.settings
    mirror_client = platform.redis()

    def copy_watermark(stream: StreamId, watermark: Watermark) -> None:
        mirror(mirror_client, stream, watermark)

    async with open_client(platform, connector, lane=lane, clock=clock, transport=transport) as client:
        caller = client.caller()
        visible = {account.id: account for account in await connector.accounts(caller, settings)}
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


def _in_order(visible: dict[str, Account], wanted: tuple[str, ...]) -> list[Account]:
    return [visible[account] for account in wanted if account in visible]
