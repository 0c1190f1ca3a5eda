"""HubSpot's API from request to answer: check it, let faults strike, charge it, serve it."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec

from dataflow_assets.sandbox.answers import BAD_GATEWAY, Answer, wounded
from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.faults import TRANSPORT_FAULTS, FaultRule
from dataflow_assets.sandbox.hubspot.associations import TEXT_IDS
from dataflow_assets.sandbox.hubspot.auth import REVOKED, TOKEN_PATHS, Auth
from dataflow_assets.sandbox.hubspot.endpoints import TOKEN, Endpoints
from dataflow_assets.sandbox.hubspot.errors import HubSpotError, OAuthError
from dataflow_assets.sandbox.hubspot.ids import NAME
from dataflow_assets.sandbox.hubspot.limits import Accounting, account_of
from dataflow_assets.sandbox.hubspot.paging import PAGE_FAULTS
from dataflow_assets.sandbox.hubspot.refusals import REFUSALS, SEARCH, TEN_SECONDS, refusal
from dataflow_assets.sandbox.hubspot.requests import Incoming, read_call
from dataflow_assets.sandbox.hubspot.search import OUT_OF_WINDOW
from dataflow_assets.sandbox.world.crm import Portal

CLOUDFLARE = "cloudflare_530"
FAULTS = TRANSPORT_FAULTS | REFUSALS.keys() | PAGE_FAULTS | {OUT_OF_WINDOW, TEXT_IDS, REVOKED, CLOUDFLARE}

_EVERYWHERE = TRANSPORT_FAULTS | (REFUSALS.keys() - {SEARCH, TEN_SECONDS}) | {CLOUDFLARE}
_AT_TOKENS = TRANSPORT_FAULTS | {"transient_503", REVOKED}
_NO_SUCH_TOKEN = b"<html><head><title>530</title></head><body><h1>Error 530</h1></body></html>"

Fired = dict[str, FaultRule]


class HubSpotApi:
    """Answers requests over one world. Errors are answers too: nothing is raised."""

    def __init__(self, core: Core) -> None:
        self.portals = tuple(Portal(core.world, index) for index in range(core.world.config.hubspot_portals))
        self.accounting = Accounting(core.clock)
        self._core = core
        self._auth = Auth(core, self.accounting, self.portals)
        self._endpoints = Endpoints(core, self.accounting)
        self._numbers = count(1)

    def answer(self, incoming: Incoming) -> Answer:
        """Answer one HTTP request."""
        self._core.counters.request(NAME)
        correlation = f"5a4d0b0c-0000-4000-8000-{next(self._numbers):012x}"
        fired: Fired = {}
        headers: dict[str, str] = {}
        try:
            status, body = self._serve(incoming, fired, headers)
        except HubSpotError as error:
            if error.throttles:
                self._core.counters.throttled()
            status, body = error.status, error.body(correlation)
            headers |= error.headers
        except OAuthError as error:
            status, body = 400, error.body(correlation)
        headers["X-HubSpot-Correlation-Id"] = correlation
        answer = Answer(status, msgspec.json.encode(body), headers=headers)
        return wounded(_behind_proxy(answer, fired), fired)

    def _serve(self, incoming: Incoming, fired: Fired, headers: dict[str, str]) -> tuple[int, Mapping[str, Any]]:
        """Status and JSON of the answer. `fired` takes up the faults that strike, `headers` those of the answer."""
        if incoming.parts in TOKEN_PATHS:
            portal = self._auth.portal_of(incoming)
            self._strike(fired, account_of(portal) if portal else None, TOKEN, _AT_TOKENS)
            return 200, self._auth.renew(incoming, fired)
        call = read_call(incoming, self.accounting.limits.longest_url)
        portal, is_oauth = self._auth.check(incoming.bearer)
        target = self._endpoints.find(call, portal)
        throttle = {SEARCH} if target.is_search else set() if target.is_exempt else {TEN_SECONDS}
        self._strike(fired, account_of(portal), target.endpoint, _EVERYWHERE | target.faults | throttle)
        charged = self.accounting.charge(portal, oauth=is_oauth, is_search=target.is_search, is_exempt=target.is_exempt)
        headers |= charged
        return target.serve(fired)

    def _strike(self, fired: Fired, account: str | None, endpoint: str, possible: frozenset[str]) -> None:
        """Count the call and let the faults strike that refuse it."""
        self._core.counters.call(NAME, endpoint, account)
        fired.update({rule.fault: rule for rule in self._core.faults.fire(NAME, account, endpoint, possible)})
        for name, rule in fired.items():
            if name in REFUSALS:
                raise refusal(rule)


def _behind_proxy(answer: Answer, fired: Fired) -> Answer:
    """The answer as the proxy before HubSpot lets it through: not, when it makes nothing of the token."""
    return replace(BAD_GATEWAY, status=530, body=_NO_SUCH_TOKEN) if CLOUDFLARE in fired else answer
