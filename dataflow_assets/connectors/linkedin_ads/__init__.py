"""LinkedIn Ads, Marketing API version 202608. For people: `docs/vendors/linkedin_ads.md`.

Facts: LinkedIn's Marketing API pages as stored copies show them, its official SDK 0.3.0 (linkedin-api-client) and what
that SDK sends to a local server; error codes as in those pages and in issue threads of open-source connectors.

Entities have no filter by time of change, so every read lists all. Daily figures come from account-level adAnalytics,
which costs one request per window instead of one per campaign or creative.
"""

from datetime import date

from dataflow_assets.connectors.base import Connector, Landing
from dataflow_assets.connectors.linkedin_ads.reading import account_of, accounts, api, newer, read
from dataflow_assets.connectors.linkedin_ads.streams import NAME, STREAMS, URN_OF

CONNECTOR = Connector(
    name=NAME,
    title="LinkedIn Ads",
    streams=STREAMS,
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.linkedin_ads.account_ids,
    initial_history_days=lambda settings: settings.linkedin_ads.initial_history_days,
    lookback_days=lambda settings: settings.linkedin_ads.lookback_days,
    landing=Landing(
        tables={
            "ad_accounts": "accounts",
            "campaign_groups": "campaign_groups",
            "campaigns": "campaigns",
            "creatives": "creatives",
            # Custom statistics reports, by ACCOUNT and what ours are by: Airbyte's own `ad_campaign_analytics` does not
            # say which account a campaign belongs to, nor `ad_creative_analytics` which campaign a creative.
            "analytics_campaign": "custom_statistics_campaigns",
            "analytics_creative": "custom_statistics_creatives",
        },
        columns={
            "ad_accounts": {"created_at": "created", "last_modified_at": "lastModified"},
            "campaign_groups": {"created_at": "created", "last_modified_at": "lastModified"},
            "campaigns": {"created_at": "created", "last_modified_at": "lastModified"},
            "analytics_campaign": {"date": "start_date"},
            "analytics_creative": {"date": "start_date"},
        },
        account=account_of,
        account_columns={
            "ad_accounts": "id",
            **dict.fromkeys(("campaign_groups", "campaigns", "creatives"), "account"),
            **dict.fromkeys(("analytics_campaign", "analytics_creative"), "pivotValues.0"),
        },
        account_prefix=URN_OF["ACCOUNT"],
        accounts_in="ad_accounts",
    ),
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
