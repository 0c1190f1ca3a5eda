"""Meta's endpoints: which one a path means, whom it is charged to, and how it is served."""

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.meta_ads import ids, insights, listing
from dataflow_assets.sandbox.meta_ads.entities import (
    ACCOUNT,
    AD,
    AD_SET,
    CAMPAIGN,
    CREATIVE,
    Kind,
    View,
    check_fields,
    kind_of,
    record,
    view,
)
from dataflow_assets.sandbox.meta_ads.errors import GraphError, missing, reduce_data, unknown_path
from dataflow_assets.sandbox.meta_ads.limits import Accounting
from dataflow_assets.sandbox.meta_ads.paging import Cursors, Position, Row, Start, page, page_limit
from dataflow_assets.sandbox.meta_ads.reports import Reports, Run, check_readable
from dataflow_assets.sandbox.meta_ads.requests import Call
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign

NAME = "meta_ads"
PAGED = frozenset({"ad_accounts", "campaigns", "ad_sets", "ads", "creatives", "insights", "async_page"})
ABOUT_INSIGHTS = frozenset({"insights", "async_create", "async_poll", "async_page"})
ENDPOINTS = PAGED | ABOUT_INSIGHTS | {"node", "batch"}

_EDGES: Mapping[str, tuple[str, Kind]] = {
    "campaigns": ("campaigns", CAMPAIGN),
    "adsets": ("ad_sets", AD_SET),
    "ads": ("ads", AD),
    "adcreatives": ("creatives", CREATIVE),
}
_EDGES_OF: Mapping[type, Container[str]] = {
    Account: frozenset({"campaigns", "adsets", "ads", "adcreatives"}),
    Campaign: frozenset({"adsets", "ads"}),
    AdSet: frozenset({"ads", "adcreatives"}),
    Ad: frozenset({"adcreatives"}),
}

Faults = Container[str]
Serve = Callable[[Faults], Row]


@dataclass(frozen=True)
class Target:
    """What a call is about. `serve` makes the JSON of the answer, spoiled by the faults named."""

    endpoint: str
    account: str | None
    serve: Serve


class Endpoints:
    """The endpoints over one world."""

    def __init__(self, core: Core, accounting: Accounting) -> None:
        self._world = core.world
        self._clock = core.clock
        self._accounting = accounting
        self._cursors = Cursors(core.world.config.seed)
        self._reports = Reports()

    def find(self, call: Call) -> Target:
        """The endpoint a call means. Raises GraphError for a path or object that does not exist."""
        instant = self._clock.epoch()
        if not 1 <= len(call.path) <= 2:  # noqa: PLR2004 - a node and at most one edge
            raise _unknown(call)
        name, edge = call.path[0], call.path[1] if len(call.path) > 1 else None
        if edge == "instruments":  # where the SDK posts its crash reports
            return Target("node", None, lambda _: {"success": True})
        if name == "me":
            return self._me(call, edge, instant)
        run = self._reports.find(name, instant)
        if run:
            return self._run(call, edge, run, instant)
        of = self._look(name, instant)
        account = ids.account_id(of.account)
        if edge == "insights" and not isinstance(of.node, ids.Creative):
            return self._insights(call, of, instant)
        if call.method != "GET":
            raise GraphError(3, "(#3) The sandbox is read-only: it has no such method here")
        if edge is None:
            return Target("node", account, lambda _: record(kind_of(of.node), of, call.fields()))
        if edge not in _EDGES_OF.get(type(of.node), ()):
            raise _unknown(call)
        return Target(_EDGES[edge][0], account, self._edge(call, of, edge, instant))

    def _look(self, name: str, instant: int) -> View:
        is_account = name.startswith("act_")
        node = (
            ids.account_of(self._world, name.removeprefix("act_")) if is_account else ids.entity_of(self._world, name)
        )
        of = view(node, instant) if node else None
        if of is None:
            raise missing(name)
        return of

    def _me(self, call: Call, edge: str | None, instant: int) -> Target:
        if edge is None:
            return Target("node", None, lambda _: {"id": "930000000000001", "name": "Sandbox system user"})
        if edge != "adaccounts":
            raise _unknown(call)

        def found(after: Position | None) -> Iterator[tuple[Position, View]]:
            for account in self._world.accounts(NAME)[after[0] if after else 0 :]:
                of = view(account, instant)
                if of is not None:
                    yield (account.index,), of

        return Target("ad_accounts", None, lambda faults: self._list(call, ACCOUNT, found, faults))

    def _edge(self, call: Call, of: View, edge: str, instant: int) -> Serve:
        kind = _EDGES[edge][1]

        def found(after: Position | None) -> Iterator[tuple[Position, View]]:
            everything = listing.places(self._world, of.node, edge, after[0] if after else 0)
            return listing.listed(call, kind, instant, everything)

        return lambda faults: self._list(call, kind, found, faults)

    def _list(
        self,
        call: Call,
        kind: Kind,
        found: Callable[[Position | None], Iterator[tuple[Position, View]]],
        faults: Faults,
    ) -> Row:
        fields = call.fields()
        check_fields(kind, fields)
        start, limit = self._cursors.read(call), page_limit(call, self._accounting.limits.max_limit)
        behind = start.after or ()
        rows = ((place, record(kind, of, fields)) for place, of in found(start.after) if place > behind)
        body = self._page(call, rows, start, limit, faults)
        if call.flag("summary"):
            body["summary"] = {"total_count": sum(1 for _ in found(None))}
        return body

    def _insights(self, call: Call, of: View, instant: int) -> Target:
        account = ids.account_id(of.account)

        def create(_: Faults) -> Row:
            query = insights.read_query(call, of.node, of.account, instant)
            return {"report_run_id": self._reports.create(query).id}

        def read(faults: Faults) -> Row:
            query = insights.read_query(call, of.node, of.account, instant)
            start, limit = self._cursors.read(call), page_limit(call, self._accounting.limits.max_limit)
            self._refuse_size(query, start.after, limit)
            return self._page(call, insights.rows(self._world, query, start.after), start, limit, faults)

        return Target("async_create", account, create) if call.method == "POST" else Target("insights", account, read)

    def _run(self, call: Call, edge: str | None, run: Run, instant: int) -> Target:
        account = ids.account_id(run.query.account)
        if edge is None:

            def poll(faults: Faults) -> Row:
                row = self._reports.poll(run, instant, self._accounting.limits.async_polls, faults)
                wanted = call.fields()
                return row if wanted is None else {name: row[name] for name in row if name in wanted or name == "id"}

            return Target("async_poll", account, poll)
        if edge != "insights":
            raise _unknown(call)

        def read(faults: Faults) -> Row:
            check_readable(run, faults)
            start, limit = self._cursors.read(call), page_limit(call, self._accounting.limits.max_limit)
            return self._page(call, insights.rows(self._world, run.query, start.after), start, limit, faults)

        return Target("async_page", account, read)

    def _page(self, call: Call, rows: Iterator[tuple[Position, Row]], start: Start, limit: int, faults: Faults) -> Row:
        return page(call, rows, cursors=self._cursors, start=start, limit=limit, faults=faults)

    def _refuse_size(self, query: insights.Query, after: Position | None, limit: int) -> None:
        """Raise "reduce the amount of data" when the page or the whole answer is over its threshold."""
        limits, width = self._accounting.limits, max(1, len(query.fields))
        if limits.reduce_page_cells is not None:
            most = limits.reduce_page_cells // width
            if limit > most and _more_than(most, insights.rows(self._world, query, after)):
                raise reduce_data()
        if limits.reduce_query_cells is not None:
            most = limits.reduce_query_cells // width
            if _more_than(most, insights.rows(self._world, query)):
                raise reduce_data()


def _more_than(most: int, rows: Iterator[object]) -> bool:
    return sum(1 for _ in islice(rows, most + 1)) > most


def _unknown(call: Call) -> GraphError:
    return unknown_path("/" + "/".join(call.path))
