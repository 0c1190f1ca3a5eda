"""The way to HubSpot: paths of its versions, credentials, budgets, and the portals they lead to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from dataflow_assets.connectors.base import Account
from dataflow_assets.connectors.hubspot.answers import NAME, classify, is_search, usage, zones
from dataflow_assets.resources.auth import Auth, RefreshToken, bearer
from dataflow_assets.resources.budget import Limit
from dataflow_assets.resources.failures import Retryable, Scope, VendorError
from dataflow_assets.resources.http import Caller, Reply, VendorApi
from dataflow_assets.settings import Settings
from dataflow_assets.vendor_settings import HubSpotSettings, parts

UTC = ZoneInfo("UTC")

# By what is asked for: the path of versions before the dated ones, and the dated path.
PATHS = {
    "list": ("crm/v3/objects/{kind}", "crm/objects/{version}/{kind}"),
    "search": ("crm/v3/objects/{kind}/search", "crm/objects/{version}/{kind}/search"),
    "read": ("crm/v3/objects/{kind}/batch/read", "crm/objects/{version}/{kind}/batch/read"),
    "links": (
        "crm/v4/associations/{kind}/{to}/batch/read",
        "crm/associations/{version}/{kind}/{to}/batch/read",
    ),
    "owners": ("crm/v3/owners", "crm/owners/{version}"),
    "pipelines": ("crm/v3/pipelines/deals", "crm/pipelines/{version}/deals"),
    "account": ("account-info/v3/details", "account-info/v3/details"),
    "token": ("oauth/v1/token", "oauth/2026-03/token"),
}


def path_of(version: str, what: str, **names: str) -> str:
    """The path below the base URL for what is asked for, in a version of the API."""
    old, dated = PATHS[what]
    return (old if version == "v3" else dated).format(version=version, **names)


@dataclass(frozen=True, kw_only=True)
class HubSpotApi(VendorApi):
    """The API with what reading needs to know of the settings."""

    version: str
    late: timedelta  # how far the search index is taken to lag

    def path(self, what: str, **names: str) -> str:
        """The path of what is asked for."""
        return path_of(self.version, what, **names)


def api(settings: Settings) -> HubSpotApi:
    """The CRM API with one credential per portal."""
    hubspot = settings.hubspot
    base_url = f"{hubspot.base_url.rstrip('/')}/"
    auths = tuple(_credentials(hubspot, base_url))
    secrets = tuple(hubspot.secrets)

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        # Rate and burst together are what ten seconds may hold: the few requests of a daily sync need not wait.
        at_once = max(1, hubspot.requests_per_ten_seconds // 6)
        ten = max(1, hubspot.requests_per_ten_seconds - at_once)
        # HubSpot has no limit for all portals together; ours is what all of them may have.
        portals = max(1, len(auths))
        found: dict[Scope, Limit] = {"vendor": Limit(NAME, ten * portals, seconds=10, burst=at_once * portals)}
        if account:
            # Half of a day's calls may be spent at once, by the first reading of a portal.
            burst = hubspot.requests_per_day // 2
            steady = max(1, hubspot.requests_per_day - burst)
            found["account"] = Limit(f"{NAME}:{account}:day", steady, seconds=86_400, burst=max(1, burst))
            if is_search(path):
                found["endpoint"] = Limit(f"{NAME}:{account}:search", hubspot.searches_per_second, seconds=1)
            else:
                found["endpoint"] = Limit(f"{NAME}:{account}", ten, seconds=10, burst=at_once)
        return found

    return HubSpotApi(
        name=NAME,
        base_url=base_url,
        auths=auths,
        classify=partial(classify, secrets=secrets),
        usage=usage,
        limits=limits,
        version=hubspot.api_version,
        late=timedelta(minutes=hubspot.search_overlap_minutes),
    )


def _credentials(hubspot: HubSpotSettings, base_url: str) -> Iterable[Auth]:
    if tokens := parts(hubspot.access_token):
        return [bearer(token) for token in tokens]
    secret = hubspot.client_secret.get_secret_value() if hubspot.client_secret else ""
    app = {"client_id": hubspot.client_id, "client_secret": secret}
    url = base_url + path_of(hubspot.api_version, "token")
    hint = "Grant the app access again and set DATAFLOW_HUBSPOT__REFRESH_TOKEN; check its client id and secret."
    return [
        RefreshToken(NAME, url, {**app, "refresh_token": token}, hint, scope="account")
        for token in parts(hubspot.refresh_token)
    ]


def api_of(caller: Caller) -> HubSpotApi:
    """The API a caller speaks to."""
    found = caller.client.api
    if not isinstance(found, HubSpotApi):
        raise TypeError("A caller of HubSpot has HubSpot's API.")
    return found


class _Portal(msgspec.Struct, rename="camel"):
    portal_id: int
    company_currency: str = ""
    time_zone: str = ""


async def accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    """The portal of each token; one that cannot be read has a `problem`. Raises what is wrong when none can be read."""
    del settings
    found: list[Account] = []
    failures: list[VendorError] = []
    tokens = len(caller.client.api.auths)
    for credential in range(tokens):
        # A name of its own: what HubSpot says of one portal's budget must not hold the others back.
        name = f"token {credential + 1} of {tokens}"
        one = caller.client.caller(name, credential=credential)
        try:
            found.append(_account(await one.get(api_of(caller).path("account")), credential))
        except VendorError as error:
            failures.append(error)
            found.append(Account(name, "", "", UTC, f"{error.message} {error.hint}".strip(), credential))
        finally:
            caller.tally.add(one.tally)
    if failures and len(failures) == tokens:
        raise failures[0]
    return found


def _account(reply: Reply, credential: int) -> Account:
    try:
        portal = msgspec.json.decode(reply.body, type=_Portal)
    except ValueError:
        raise Retryable("the answer does not describe a portal.", vendor=NAME, account=reply.account) from None
    id_ = str(portal.portal_id)
    try:
        zones[id_] = ZoneInfo(portal.time_zone)
    except (ValueError, ZoneInfoNotFoundError):
        zones.pop(id_, None)
    # Times of change are UTC, whatever the zone of the portal.
    return Account(id_, f"Portal {id_}", portal.company_currency, UTC, credential=credential)
