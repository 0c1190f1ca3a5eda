"""Reading windows of records."""

from collections.abc import AsyncIterator

from dataflow_assets.connectors.base import Account, Page, Stream, Window
from dataflow_assets.connectors.google_ads.queries import pages, select
from dataflow_assets.resources.http import Caller
from dataflow_assets.windows import ONE_DAY, DayWindow


async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
    """Pages of one account's records: those of the days of a window, or all of them."""
    query = select(stream)
    if isinstance(window, DayWindow):
        query += f" WHERE segments.date BETWEEN '{window.start}' AND '{window.end - ONE_DAY}'"  # both ends count
    async for page in pages(caller, account.id, query):
        yield page
