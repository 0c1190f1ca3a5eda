"""LinkedIn Ads, Marketing API version 202608. For people: `docs/vendors/linkedin_ads.md`.

Facts: LinkedIn's Marketing API pages as stored copies show them, its official SDK 0.3.0 (linkedin-api-client) and what
that SDK sends to a local server; error codes as in those pages and in issue threads of open-source connectors.

Entities have no filter by time of change, so every read lists all. Daily figures come from account-level adAnalytics,
which costs one request per window instead of one per campaign or creative.
"""

from datetime import date

from dataflow_assets.connectors.base import Connector
from dataflow_assets.connectors.linkedin_ads.reading import accounts, api, newer, read
from dataflow_assets.connectors.linkedin_ads.streams import NAME, STREAMS

CONNECTOR = Connector(
    name=NAME,
    title="LinkedIn Ads",
    streams=STREAMS,
    is_on=lambda settings: settings.linkedin_ads.is_configured,
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.linkedin_ads.account_ids,
    initial_history_days=lambda settings: settings.linkedin_ads.initial_history_days,
    lookback_days=lambda settings: settings.linkedin_ads.lookback_days,
    retention_days=3_650,  # ten years
    version=lambda settings: settings.linkedin_ads.api_version,
    version_ends={
        "202508": date(2026, 8, 17),
        "202510": date(2026, 10, 15),
        "202511": date(2026, 11, 16),
        "202601": date(2027, 1, 15),
        "202602": date(2027, 2, 15),
        "202603": date(2027, 3, 16),
        "202604": date(2027, 4, 15),
        "202605": date(2027, 5, 15),
        "202606": date(2027, 6, 15),
        "202607": date(2027, 7, 15),
    },
)
