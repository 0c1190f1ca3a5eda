"""What the world holds in Google's terms, told without the API: the measure of what a connector has loaded.

Figures are summed straight from the world, ad by ad and day by day, without the API's queries, filters and pages. Only
the spelling of single values (ids, names, times, metrics) is shared with it.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from dataflow_assets.sandbox.core import Core, TruthQuery
from dataflow_assets.sandbox.google_ads import ids
from dataflow_assets.sandbox.google_ads.customers import Customer, Directory
from dataflow_assets.sandbox.google_ads.fields import FIELDS, nested, written
from dataflow_assets.sandbox.google_ads.metrics import METRICS, of_action
from dataflow_assets.sandbox.google_ads.selects import SELECT
from dataflow_assets.sandbox.google_ads.subjects import Action, Subject, has_ads, status
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, Counts, Moment, World
from dataflow_assets.sandbox.world.performance import ad_day

Rows = Iterator[Mapping[str, Any]]
Node = Campaign | AdSet | Ad
_Nodes = Callable[[World, Account], Iterator[Node]]


def tell(core: Core, stream: str, query: TruthQuery) -> Rows:
    """The full rows of a stream as of now; without `query.deleted` those of removed things are left out.

    Raises:
        KeyError: there is no such stream or client.
    """
    instant = core.clock.epoch()
    clients = Directory(core.world).clients
    if query.account is not None:
        account = ids.client_of(core.world, query.account)
        clients = tuple(client for client in clients if client.account is account)
        if account is None:
            raise KeyError(query.account)
    rows = _ROWS[stream]
    return (row for client in clients for row in rows(core.world, stream, client, query, instant))


def _customers(_: World, stream: str, customer: Customer, __: TruthQuery, instant: int) -> Rows:
    yield _spelled(stream, Subject(customer, instant))


def _actions(_: World, stream: str, customer: Customer, __: TruthQuery, instant: int) -> Rows:
    for action in Action:
        yield _spelled(stream, Subject(customer, instant, action=action))


def _things(nodes: _Nodes) -> Callable[..., Rows]:
    def rows(world: World, stream: str, customer: Customer, query: TruthQuery, instant: int) -> Rows:
        for node in _seen(world, customer, nodes, query, instant):
            yield _spelled(stream, _subject(customer, node, instant))

    return rows


def _daily(nodes: _Nodes) -> Callable[..., Rows]:
    def rows(world: World, stream: str, customer: Customer, query: TruthQuery, instant: int) -> Rows:
        for node in _seen(world, customer, nodes, query, instant):
            subject = _subject(customer, node, instant)
            for day, counts in _days(world, customer, node, query, instant):
                yield _spelled(stream, subject, day, counts)

    return rows


def _by_action(world: World, stream: str, customer: Customer, query: TruthQuery, instant: int) -> Rows:
    for node in _seen(world, customer, World.campaigns, query, instant):
        for day, counts in _days(world, customer, node, query, instant):
            for action in Action:
                row = _spelled(stream, Subject(customer, instant, node, action=action), day, of_action(counts, action))
                if any(row["metrics"].values()):
                    yield row


def _ad_groups(world: World, account: Account) -> Iterator[AdSet]:
    return (one for campaign in world.campaigns(account) if has_ads(campaign) for one in world.ad_sets(campaign))


def _ads(world: World, account: Account) -> Iterator[Ad]:
    return (ad for ad_group in _ad_groups(world, account) for ad in world.ads(ad_group))


_ROWS: Mapping[str, Callable[..., Rows]] = {
    "customers": _customers,
    "campaigns": _things(World.campaigns),
    "ad_groups": _things(_ad_groups),
    "ads": _things(_ads),
    "conversion_actions": _actions,
    "campaign_performance": _daily(World.campaigns),
    "ad_group_performance": _daily(_ad_groups),
    "ad_performance": _daily(_ads),
    "conversions_by_action": _by_action,
}


def _seen(world: World, customer: Customer, nodes: _Nodes, query: TruthQuery, instant: int) -> Iterator[Node]:
    for node in nodes(world, customer.account) if customer.account else ():
        if node.life.at(instant) and (query.deleted or status(node, instant) != "REMOVED"):
            yield node


def _subject(customer: Customer, node: Node, instant: int) -> Subject:
    if isinstance(node, Campaign):
        return Subject(customer, instant, node)
    if isinstance(node, AdSet):
        return Subject(customer, instant, node.campaign, node)
    return Subject(customer, instant, node.ad_set.campaign, node.ad_set, node)


def _days(
    world: World, customer: Customer, node: Node, query: TruthQuery, instant: int
) -> Iterator[tuple[int, Counts]]:
    """The days on which something happened below a node."""
    if customer.account is None:
        return
    moment = Moment.of(customer.account, instant)
    first = (query.first or world.config.start).toordinal()
    last = min(moment.today, query.last.toordinal() if query.last else moment.today)
    ads = list(world.ads_under(node))
    for day in range(first, last + 1):
        found = [
            counts
            for ad in ads
            if any(begin <= day < end for begin, end in ad.life.spans)
            and (counts := ad_day(ad, day, moment)) is not None
        ]
        if found:
            yield day, Counts(*map(sum, zip(*found, strict=True)))


def _spelled(stream: str, subject: Subject, day: int = 0, counts: Counts | None = None) -> dict[str, Any]:
    """A row of a stream, with the fields that it has."""
    account = subject.customer.account
    values: dict[str, Any] = {}
    for path in SELECT[stream]:
        field = FIELDS[path]
        if path == "segments.date":
            values[path] = date.fromordinal(day).isoformat()
        elif field.resource == "metrics":
            values[path] = written(field, METRICS[path](counts, account.market.digits)) if counts and account else None
        else:
            values[path] = written(field, field.read(subject))
    return nested(values.items())
