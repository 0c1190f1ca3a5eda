"""Google Ads, REST API v26 (v23 and later have the same fields). For people: `docs/vendors/google_ads.md`.

Facts: Google's reference of the API, the types of its official SDK 34.0.0 (google-ads), and error answers as kept in
issue threads of open-source connectors.

Everything is a query in GAQL, sent to `googleAds:search` of one customer. A query counts as one operation however many
rows it brings, and its further pages count nothing: few and wide queries are what saves quota, so attributes of other
resources come in the same query, and a month of a report in one.
"""

from datetime import date

from dataflow_assets.connectors.base import Connector
from dataflow_assets.connectors.google_ads.accounts import accounts
from dataflow_assets.connectors.google_ads.answers import classify
from dataflow_assets.connectors.google_ads.api import api
from dataflow_assets.connectors.google_ads.changes import newer
from dataflow_assets.connectors.google_ads.codes import NotEnabled
from dataflow_assets.connectors.google_ads.landing import LANDING
from dataflow_assets.connectors.google_ads.reading import read
from dataflow_assets.connectors.google_ads.streams import NAME, STREAMS

__all__ = ["CONNECTOR", "NotEnabled", "api", "classify"]

CONNECTOR = Connector(
    name=NAME,
    title="Google Ads",
    streams=STREAMS,
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.google_ads.account_ids,
    initial_history_days=lambda settings: settings.google_ads.initial_history_days,
    lookback_days=lambda settings: settings.google_ads.lookback_days,
    landing=LANDING,
    # 37 months in the account's zone, less a few days of slack; beyond it daily rows are an error.
    retention_days=1_123,
    version=lambda settings: settings.google_ads.api_version,
    # Google names months ahead; their first days are the safe ones.
    version_ends={
        "v20": date(2026, 6, 10),
        "v21": date(2026, 8, 5),
        "v22": date(2026, 10, 7),
        "v23": date(2027, 2, 1),
        "v24": date(2027, 5, 1),
        "v25": date(2027, 8, 1),
        "v26": date(2027, 11, 1),
    },
)
