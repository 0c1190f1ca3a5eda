"""Which partitions a sync covers: from the oldest day that may still change to the newest day there is."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from dataflow_assets.connectors import active_connectors
from dataflow_assets.connectors.base import Connector, Kind
from dataflow_assets.raw.plan import incremental_window
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.failures import Fatal, VendorError
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.watermarks import StreamId, Watermark, read_watermarks
from dataflow_assets.windows import ONE_DAY, DayWindow, local_day


async def sync_window(
    platform: Platform,
    connectors: Sequence[Connector] | None = None,
    *,
    clock: Clock = SYSTEM_CLOCK,
    on_trouble: Callable[[str], None] = lambda _text: None,
) -> DayWindow:
    """The days a sync of these connectors covers, for every account, by its own watermark and the vendor's time.

    A vendor that cannot be asked does not decide; `on_trouble` hears why.
    """
    ensure_schema(platform)
    with platform.warehouse.connect() as connection:
        known = read_watermarks(connection)
    windows = []
    for connector in connectors or active_connectors(platform.settings):
        try:
            windows += await _of(platform, connector, known)
        except VendorError as error:
            # Its own assets say so when they run; the other vendors are read.
            on_trouble(str(error))
    if not windows:
        return today_window(clock.now())
    # A zone ahead of UTC may be in a day whose partition does not exist yet; the next sync has it.
    end = min(max(window.end for window in windows), clock.now().date() + ONE_DAY)
    return DayWindow(max(min(window.start for window in windows), platform.settings.partitions_start), end)


async def _of(platform: Platform, connector: Connector, known: Mapping[StreamId, Watermark]) -> list[DayWindow]:
    reports = [stream for stream in connector.streams if stream.kind is Kind.REPORT]
    async with open_sync(platform, connector, listing_holds=timedelta(0)) as sync:
        if not sync.accounts:
            raise Fatal("the credentials see no account.", vendor=connector.name, scope="vendor")
        now = sync.client.vendor_now()
        windows = [
            incremental_window(
                known.get(StreamId(connector.name, account.id, stream.name)), now, account.zone, sync.rules
            )
            for account in sync.accounts
            for stream in reports
        ]
        # The running day too: its partition exists, and its figures are shown as partial.
        ends = [local_day(now, account.zone) + ONE_DAY for account in sync.accounts]
        return [DayWindow(window.start, max(ends)) for window in windows]


def today_window(now: datetime) -> DayWindow:
    """The running day in UTC and the one before, which is still running in the zones behind it."""
    day = now.date()
    return DayWindow(day - timedelta(days=1), day + ONE_DAY)
