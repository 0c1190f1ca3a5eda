"""How Airbyte's source-google-ads lays out what our streams hold.

Its own streams are by day, hour and network, and show what had impressions: neither all entities nor sums of a day.
So ours are custom queries of that source, one for each, under our names; they stand in `docs/airbyte.md`. The id of the
customer is in each of them, or rows of several accounts could not be told apart.
"""

from collections.abc import Mapping
from typing import Any

from dataflow_assets.connectors.base import Account, Landing, Stream
from dataflow_assets.connectors.google_ads.accounts import Client, account_of
from dataflow_assets.connectors.google_ads.queries import select
from dataflow_assets.connectors.google_ads.streams import CUSTOMERS, STREAMS

CUSTOMER_ID = "customer.id"


def custom_query(stream: Stream) -> str:
    """The query to give Airbyte for a stream. Airbyte puts the days in itself."""
    query = select(stream)
    return query if CUSTOMER_ID in query else query.replace("SELECT ", f"SELECT {CUSTOMER_ID}, ", 1)


def _account(record: Mapping[str, Any]) -> Account | None:
    """The account of a row of `customers`; None for a manager, which has no figures."""
    told = {name: record[name] for name in Client.__struct_fields__ if name in record}
    return account_of(Client(**told), set())


LANDING = Landing(
    tables={stream.name: stream.name for stream in STREAMS},
    account=_account,
    account_columns=dict.fromkeys((stream.name for stream in STREAMS), CUSTOMER_ID),
    accounts_in=CUSTOMERS.name,
)
