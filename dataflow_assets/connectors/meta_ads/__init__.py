"""Meta Ads (Facebook and Instagram), Marketing API v26.0. For people: `docs/vendors/meta_ads.md`.

Facts: Meta's Marketing API reference and rate limiting pages, its official SDK 26.0.3 (facebook_business), and what
that SDK does against a local server; error codes as in the reference and in issue threads of open-source connectors.

Entities come from the account's edges, changed since the watermark; daily figures from account-level insights, which
costs one request per page instead of one per campaign or ad.
"""

from dataflow_assets.connectors.base import Connector, Landing
from dataflow_assets.connectors.meta_ads.reading import account_of, accounts, api, newer, read
from dataflow_assets.connectors.meta_ads.streams import NAME, STREAMS

CONNECTOR = Connector(
    name=NAME,
    title="Meta Ads",
    streams=STREAMS,
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.meta_ads.account_ids,
    initial_history_days=lambda settings: settings.meta_ads.initial_history_days,
    lookback_days=lambda settings: settings.meta_ads.lookback_days,
    landing=Landing(
        tables={
            "ad_accounts": "ad_account",
            "campaigns": "campaigns",
            "ad_sets": "ad_sets",
            "ads": "ads",
            "creatives": "ad_creatives",
            # Custom insights in Airbyte, with the level of each and our attribution windows (`streams.py`).
            "insights_campaign": "insights_campaign",
            "insights_ad_set": "insights_ad_set",
            "insights_ad": "ads_insights",
        },
        account=account_of,
        account_columns=dict.fromkeys((stream.name for stream in STREAMS), "account_id"),
        account_prefix="act_",
        accounts_in="ad_accounts",
    ),
    # 37 months in the account's zone, less a day of slack: one day more is error 3018.
    retention_days=1_123,
)
