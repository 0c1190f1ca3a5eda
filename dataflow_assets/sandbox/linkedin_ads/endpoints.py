"""LinkedIn's resources: which one a path means, by which method it is read, and how it is served."""

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import quote

from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.linkedin_ads import analytics, ids, listing
from dataflow_assets.sandbox.linkedin_ads.conversions import KNOWN_PARAMS as CONVERSION_PARAMS
from dataflow_assets.sandbox.linkedin_ads.conversions import rules
from dataflow_assets.sandbox.linkedin_ads.entities import (
    ACCOUNT,
    CREATIVE,
    KINDS,
    Kind,
    View,
    check_fields,
    reachable,
    record,
    view,
)
from dataflow_assets.sandbox.linkedin_ads.errors import RestError, invalid_param, no_resource, not_found
from dataflow_assets.sandbox.linkedin_ads.limits import Accounting
from dataflow_assets.sandbox.linkedin_ads.oauth import OAUTH_ENDPOINTS
from dataflow_assets.sandbox.linkedin_ads.paging import PageTokens, Position, page, page_size, spoiled
from dataflow_assets.sandbox.linkedin_ads.requests import Call
from dataflow_assets.sandbox.world import Account

ANALYTICS = "analytics"
WITHOUT_ACCESS = "empty_without_access"
ZEROS_LEFT_OUT = "zeros_left_out"
ENDPOINT_OF = {
    "adAccounts": "ad_accounts",
    "adCampaignGroups": "campaign_groups",
    "adCampaigns": "campaigns",
    "creatives": "creatives",
}
PAGED = frozenset(ENDPOINT_OF.values())
ENDPOINTS = PAGED | {ANALYTICS, "conversions", "entity", "batch_get"} | OAUTH_ENDPOINTS

_READ, _FIND, _READ_MANY = "GET", "FINDER", "BATCH_GET"
_ZEROS: frozenset[Any] = frozenset({0, "0.0"})

Body = dict[str, Any]
Faults = Container[str]


@dataclass(frozen=True)
class Target:
    """What a call is about. `calls` is what it costs; `serve` makes the answer, spoiled by the faults named."""

    endpoint: str
    resource: str
    method: str
    account: str | None
    serve: Callable[[Faults], Body]
    calls: int = 1


class Endpoints:
    """The resources over one world."""

    def __init__(self, core: Core, accounting: Accounting) -> None:
        self._world = core.world
        self._clock = core.clock
        self._accounting = accounting
        self._tokens = PageTokens(core.world.config.seed)

    def find(self, call: Call) -> Target:
        """What a call means. Raises RestError for a path, method or account that does not exist."""
        instant = self._clock.epoch()
        match call.path:
            case ("adAnalytics",):
                return self._analytics(call, instant)
            case ("conversions",):
                return self._conversions(call, instant)
            case ("adAccounts",):
                return self._collection(call, ACCOUNT, None, instant)
            case ("adAccounts", key):
                return self._entity(call, ACCOUNT, None, key, instant)
            case ("adAccounts", key, resource) if resource in KINDS and resource != ACCOUNT.resource:
                return self._collection(call, KINDS[resource], self._account(key, instant), instant)
            case ("adAccounts", key, resource, inner) if resource in KINDS and resource != ACCOUNT.resource:
                return self._entity(call, KINDS[resource], self._account(key, instant), inner, instant)
        raise no_resource("/" + "/".join(call.path))

    def _account(self, key: str, instant: int) -> Account:
        account = ids.account_of(self._world, key)
        if account is None or view(account, instant) is None:
            raise not_found(f"{ids.URN_TYPES[Account]}:{key}")
        return account

    def _collection(self, call: Call, kind: Kind, within: Account | None, instant: int) -> Target:
        account = None if within is None else str(ids.number(within))
        method = _method(call, kind)
        if method == _READ_MANY:
            call.check({"ids", "fields"})
            keys = list(dict.fromkeys(call.texts("ids") or ()))

            def read_many(_: Faults) -> Body:
                return self._many(call, kind, within, keys, instant)

            cost = max(1, len(keys)) if self._accounting.limits.batch_counts_each else 1
            return Target("batch_get", kind.resource, method, account, read_many, cost)
        finder = listing.finder_of(kind)
        if method != _FIND or call.text("q") != finder:
            raise invalid_param("q", f"{kind.resource} has the finder {finder}")
        call.check(listing.known_params(kind))

        def find(faults: Faults) -> Body:
            return self._page(call, kind, within, instant, faults)

        return Target(ENDPOINT_OF[kind.resource], kind.resource, f"{method}-{finder}", account, find)

    def _page(self, call: Call, kind: Kind, within: Account | None, instant: int, faults: Faults) -> Body:
        limits = self._accounting.limits
        if limits.refuse_search_with_page_token and within is None and {"search", "pageToken"} <= call.params.keys():
            raise invalid_param("pageToken", "it does not go together with search")
        fields = call.fields()
        check_fields(kind, fields)
        start, size = self._tokens.read(call), page_size(call, limits.most_page_size)
        sees = listing.sight(call, kind, all_statuses=limits.list_all_statuses)
        descending = listing.descends(call, kind)
        found = listing.seen(self._places(kind, within, start.after, descending=descending), sees, instant)
        rows = ((place, record(kind, of, fields)) for place, of in found)
        return page(call, rows, tokens=self._tokens, start=start, size=size, faults=faults)

    def _places(
        self, kind: Kind, within: Account | None, after: Position | None, *, descending: bool
    ) -> Iterator[listing.Place]:
        """Everything of a kind behind a position."""
        first = after[0] if after else None
        if within is None:
            accounts = self._world.accounts(ids.NAME)
            everyone: Iterator[listing.Place] = iter([((account.index,), account) for account in accounts])
            if descending:
                everyone = reversed(list(everyone))
        else:
            if first is None:
                first = self._world.config.campaigns_per_account - 1 if descending else 0
            everyone = listing.places(self._world, kind, within, first, descending=descending)
        for place, node in everyone:
            if not after or (place < after if descending else place > after):
                yield place, node

    def _entity(self, call: Call, kind: Kind, within: Account | None, key: str, instant: int) -> Target:
        if call.method not in (None, _READ):
            raise _wrong_method(call, kind)
        call.check({"fields"})
        of = self._look(kind, within, key, instant)
        if of is None:
            raise not_found(key)

        def read(faults: Faults) -> Body:
            fields = call.fields()
            check_fields(kind, fields)
            return spoiled([record(kind, of, fields)], faults)[0]

        return Target("entity", kind.resource, _READ, str(ids.number(of.account)), read)

    def _many(self, call: Call, kind: Kind, within: Account | None, keys: list[str], instant: int) -> Body:
        fields = call.fields()
        check_fields(kind, fields)
        body: Body = {"results": {}, "statuses": {}, "errors": {}}
        for key in keys:
            if kind is not CREATIVE and not key.isdigit():
                raise invalid_param("ids")
            # A key is written as it would stand in an address.
            name = quote(key, safe="")
            of = self._look(kind, within, key, instant)
            if of is None:
                body["errors"][name] = not_found(key).body()
            else:
                body["results"][name], body["statuses"][name] = record(kind, of, fields), 200
        return body

    def _look(self, kind: Kind, within: Account | None, key: str, instant: int) -> View | None:
        """The entity of a key, if it can be fetched in this account; creatives have URNs for keys, all others ids."""
        try:
            if kind is CREATIVE:
                node = ids.from_urn(self._world, kind.node, key)
            else:
                node = ids.entity_of(self._world, kind.node, key)
        except ValueError as error:
            raise invalid_param("id", str(error)) from None
        of = view(node, instant) if node else None
        return of if of and within in (None, of.account) and reachable(of) else None

    def _conversions(self, call: Call, instant: int) -> Target:
        if _method(call, None) != _FIND or call.text("q") != "account":
            raise invalid_param("q", "conversions has the finder account")
        call.check(CONVERSION_PARAMS)
        try:
            node = ids.from_urn(self._world, Account, call.text("account") or "")
        except ValueError as error:
            raise invalid_param("account", str(error)) from None
        if not isinstance(node, Account) or view(node, instant) is None:
            raise not_found(str(call.text("account")))

        def find(_: Faults) -> Body:
            return rules(call, node, self._accounting.limits.most_page_size)

        return Target("conversions", "conversions", "FINDER-account", str(ids.number(node)), find)

    def _analytics(self, call: Call, instant: int) -> Target:
        finder = call.text("q")
        if _method(call, None) != _FIND or finder not in analytics.FINDERS:
            raise invalid_param("q", f"adAnalytics has the finders {', '.join(sorted(analytics.FINDERS))} here")
        limits = self._accounting.limits
        today = datetime.fromtimestamp(instant, UTC).date()
        query = analytics.read_query(call, self._world, today, limits.most_fields)
        account = None if query.account is None else str(ids.number(query.account))

        def find(faults: Faults) -> Body:
            found = [] if WITHOUT_ACCESS in faults else analytics.rows(self._world, query, instant)
            # The cut is silent, as LinkedIn's is.
            rows = list(islice(found, limits.most_rows))
            self._accounting.served(len(rows) * len(query.metrics))
            if ZEROS_LEFT_OUT in faults:
                rows = [{name: value for name, value in row.items() if not _is_zero(value)} for row in rows]
            return {"elements": spoiled(rows, faults), "paging": {"start": 0, "count": 10, "links": []}}

        return Target(ANALYTICS, "adAnalytics", f"{_FIND}-{finder}", account, find)


def _is_zero(value: Any) -> bool:
    return isinstance(value, int | str) and value in _ZEROS


def _method(call: Call, kind: Kind | None) -> str:
    """The Rest.li method: as the header says, or as the parameters suggest.

    Raises:
        RestError: 400 for another method than reading, for one that the parameters contradict, and for a finder of
            creatives without the header.
    """
    suggested = _READ_MANY if "ids" in call.params else _FIND if "q" in call.params else None
    if suggested is None or (call.method is not None and call.method != suggested):
        raise _wrong_method(call, kind)
    if kind is CREATIVE and suggested == _FIND and call.method is None:
        raise RestError(400, f"The finder of creatives needs the header X-RestLi-Method: {_FIND}")
    return suggested


def _wrong_method(call: Call, kind: Kind | None) -> RestError:
    resource = kind.resource if kind else call.path[0]
    return RestError(400, f"{resource} cannot be read with the method {call.method or 'GET_ALL'} and these parameters")
