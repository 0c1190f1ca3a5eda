"""HubSpot CRM: contacts, companies, deals, what links them, and the stages deals went through.

For people: `docs/vendors/hubspot.md`. Facts: HubSpot's developer documentation and changelog, its official SDK 12.0.0
(hubspot-api-client), and issue threads of open-source connectors where the documentation is silent.
"""

from datetime import date

from dataflow_assets.connectors.base import Connector
from dataflow_assets.connectors.hubspot.answers import NAME
from dataflow_assets.connectors.hubspot.api import accounts, api
from dataflow_assets.connectors.hubspot.landing import LANDING
from dataflow_assets.connectors.hubspot.reading import newer, read
from dataflow_assets.connectors.hubspot.streams import STREAMS

CONNECTOR = Connector(
    name=NAME,
    title="HubSpot",
    streams=STREAMS,
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.hubspot.account_ids,
    # There are no reports: every record is read at the first sync, and what happened to it since is in the record.
    initial_history_days=lambda _settings: 1,
    lookback_days=lambda _settings: 1,
    retention_days=36_500,
    landing=LANDING,
    version=lambda settings: settings.hubspot.api_version,
    # 18 months each, to the first day they may end. With the paths of v3 go those of v4 for links, which end first.
    version_ends={"v3": date(2027, 3, 30), "2026-03": date(2027, 9, 1), "2026-09": date(2028, 3, 1)},
)
