"""LinkedIn's API from request to answer: check it, charge it, let faults strike, serve it."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec

from dataflow_assets.sandbox.answers import Answer, wounded
from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.faults import TRANSPORT_FAULTS, FaultRule
from dataflow_assets.sandbox.linkedin_ads.endpoints import ANALYTICS, PAGED, WITHOUT_ACCESS, ZEROS_LEFT_OUT, Endpoints
from dataflow_assets.sandbox.linkedin_ads.errors import RestError, no_resource
from dataflow_assets.sandbox.linkedin_ads.ids import NAME
from dataflow_assets.sandbox.linkedin_ads.limits import Accounting
from dataflow_assets.sandbox.linkedin_ads.oauth import EXPIRED_REFRESH_TOKEN, OAuth, OAuthError
from dataflow_assets.sandbox.linkedin_ads.paging import PAGE_FAULTS, ROW_FAULTS
from dataflow_assets.sandbox.linkedin_ads.refusals import REFUSALS, Subject, refusal
from dataflow_assets.sandbox.linkedin_ads.requests import Incoming, bearer, read_call
from dataflow_assets.sandbox.linkedin_ads.versions import check_version

FAULTS = TRANSPORT_FAULTS | REFUSALS.keys() | PAGE_FAULTS | {WITHOUT_ACCESS, ZEROS_LEFT_OUT, EXPIRED_REFRESH_TOKEN}

_REST = "/rest"
_OAUTH_PATHS = {"/oauth/v2/accessToken": "access_token", "/oauth/v2/introspectToken": "introspect"}
# What goes wrong with LinkedIn as a whole goes wrong with its tokens as well.
_FAILURES = frozenset({"throttle_resource", "transient_500", "maintenance_503", "timeout_504"})
_ONLY_AT: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(PAGED, PAGE_FAULTS),
    "entity": ROW_FAULTS,
    ANALYTICS: ROW_FAULTS | {WITHOUT_ACCESS, ZEROS_LEFT_OUT},
}

Fired = dict[str, FaultRule]


class LinkedInApi:
    """Answers requests over one world. Errors are answers too: nothing is raised."""

    def __init__(self, core: Core) -> None:
        self.accounting = Accounting(core.clock)
        self._core = core
        self._oauth = OAuth(core, self.accounting)
        self._endpoints = Endpoints(core, self.accounting)
        self._numbers = count(1)

    def answer(self, incoming: Incoming) -> Answer:
        """Answer one HTTP request."""
        self._core.counters.request(NAME)
        fired: Fired = {}
        try:
            answer = Answer(200, msgspec.json.encode(self._serve(incoming, fired)))
        except RestError as error:
            if error.throttles:
                self._core.counters.throttled()
            answer = Answer(error.status, msgspec.json.encode(error.body()), headers=error.headers)
        except OAuthError as error:
            answer = Answer(error.status, msgspec.json.encode(error.body))
        answer = wounded(answer, fired)
        return replace(answer, headers={**answer.headers, **self._trace()})

    def _serve(self, incoming: Incoming, fired: Fired) -> Mapping[str, Any]:
        """The JSON of the answer. `fired` takes up the faults that strike, by name."""
        if incoming.path in _OAUTH_PATHS:
            return self._token(_OAUTH_PATHS[incoming.path], incoming, fired)
        if not incoming.path.startswith(f"{_REST}/"):
            raise no_resource(incoming.path)
        self._oauth.check(bearer(incoming))
        limits = self.accounting.limits
        today = self._core.clock.now().date()
        version = check_version(incoming.headers.get("linkedin-version"), today, limits.newest_version)
        below = replace(incoming, path=incoming.path.removeprefix(_REST))
        target = self._endpoints.find(read_call(below, limits.longest_query))
        self._core.counters.call(NAME, target.endpoint, target.account)
        possible = TRANSPORT_FAULTS | REFUSALS.keys() | _ONLY_AT.get(target.endpoint, frozenset())
        self._strike(fired, target.account, target.endpoint, possible)
        _refuse(fired, Subject(version, target.account, target.resource, target.method))
        self.accounting.charge(target.resource, target.calls, analytics=target.endpoint == ANALYTICS)
        return target.serve(fired)

    def _token(self, endpoint: str, incoming: Incoming, fired: Fired) -> Mapping[str, Any]:
        self._core.counters.call(NAME, endpoint, None)
        own = {EXPIRED_REFRESH_TOKEN} if endpoint == "access_token" else set()
        self._strike(fired, None, endpoint, TRANSPORT_FAULTS | _FAILURES | own)
        _refuse(fired, Subject("", None, endpoint, incoming.method))
        return self._oauth.answer(endpoint, incoming, fired)

    def _strike(self, fired: Fired, account: str | None, endpoint: str, possible: frozenset[str]) -> None:
        fired.update({rule.fault: rule for rule in self._core.faults.fire(NAME, account, endpoint, possible)})

    def _trace(self) -> dict[str, str]:
        """The headers by which LinkedIn's support finds a request."""
        number = next(self._numbers)
        uuid = base64.b64encode(number.to_bytes(16, "big")).decode()
        return {"x-li-uuid": uuid, "x-li-fabric": "sandbox", "x-li-request-id": f"{number:032x}"}


def _refuse(fired: Fired, subject: Subject) -> None:
    for name, rule in fired.items():
        if name in REFUSALS:
            raise refusal(rule, subject)
