"""The way to Google: credentials and budgets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import httpx
from pydantic import SecretStr

from dataflow_assets.connectors.google_ads.answers import classify
from dataflow_assets.connectors.google_ads.codes import RENEW
from dataflow_assets.connectors.google_ads.streams import NAME
from dataflow_assets.resources.auth import RefreshToken
from dataflow_assets.resources.budget import Limit
from dataflow_assets.resources.failures import Scope
from dataflow_assets.resources.http import VendorApi
from dataflow_assets.settings import Settings


@dataclass
class _Identity(RefreshToken):
    """A token that is renewed, and headers that go along with it."""

    more: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """All of them."""
        return {**self.more, **await super().headers(http)}


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def api(settings: Settings) -> VendorApi:
    """The Ads API with the configured OAuth client; a developer token goes along when there is one."""
    google = settings.google_ads
    secret, refresh = _secret(google.client_secret), _secret(google.refresh_token)
    developer = _secret(google.developer_token)
    form = {"client_id": google.client_id, "client_secret": secret, "refresh_token": refresh}
    hint = f"{RENEW} It must be of the OAuth client in DATAFLOW_GOOGLE_ADS__CLIENT_ID and ..._CLIENT_SECRET."
    more = {"developer-token": developer} if developer else {}

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        del path
        project = f"{NAME}:{google.client_id or 'project'}"
        # Rate and burst together are what a day may hold: 14,000 and 1,000 are Google's 15,000.
        burst = max(1, google.requests_per_day // 14)
        both: dict[Scope, Limit] = {"vendor": Limit(project, google.requests_per_day, seconds=86_400, burst=burst)}
        if account:
            both["account"] = Limit(f"{project}:{account}", google.requests_per_minute, seconds=60, burst=20)
        return both

    return VendorApi(
        name=NAME,
        base_url=f"{google.base_url.rstrip('/')}/{google.api_version}/",
        auths=(_Identity(NAME, google.token_url, form, hint, more=more),),
        classify=partial(classify, secrets=(secret, refresh, developer)),
        usage=lambda _reply: {},  # Google sends no headers about its budgets
        limits=limits,
    )
