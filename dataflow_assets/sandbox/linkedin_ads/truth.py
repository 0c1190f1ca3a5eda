"""What the world holds in LinkedIn's terms, told without the API: the measure of what a connector has loaded.

Figures are summed straight from the world, ad by ad and day by day, without the API's pivots, periods, facets and
pages. Only the spelling of single values (ids, names, times, money) is shared with it, and money is exact here: the API
adds what is left of binary fractions, so compare after rounding both to 6 decimals.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from dataflow_assets.sandbox.core import Core, TruthQuery
from dataflow_assets.sandbox.linkedin_ads import ids
from dataflow_assets.sandbox.linkedin_ads.entities import ACCOUNT, CAMPAIGN, CREATIVE, GROUP, REMOVED, Kind, view
from dataflow_assets.sandbox.linkedin_ads.metrics import METRICS, REACH, date_range, figure
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Counts, Moment, World
from dataflow_assets.sandbox.world.performance import ad_day

Rows = Iterator[Mapping[str, Any]]
_Nodes = Callable[[World, Account], Iterator[Any]]


def tell(core: Core, stream: str, query: TruthQuery) -> Rows:
    """The full rows of a stream as of now. `query.account` is an id or a URN; its windows mean nothing here.

    Raises:
        KeyError: there is no such stream or account.
    """
    instant = core.clock.epoch()
    accounts = core.world.accounts(ids.NAME)
    if query.account is not None:
        account = ids.account_of(core.world, query.account.rpartition(":")[2])
        if account is None:
            raise KeyError(query.account)
        accounts = (account,)
    if stream in _ENTITIES:
        kind, nodes = _ENTITIES[stream]
        everything = (node for account in accounts for node in nodes(core.world, account))
        return _entities(kind, everything, instant, deleted=query.deleted)
    nodes = _DAILY[stream]
    return (row for account in accounts for row in _daily(core.world, account, nodes, instant, query))


def _campaigns(world: World, account: Account) -> Iterator[AdSet]:
    return (campaign for group in world.campaigns(account) for campaign in world.ad_sets(group))


_ENTITIES: Mapping[str, tuple[Kind, _Nodes]] = {
    "ad_accounts": (ACCOUNT, lambda _, account: iter([account])),
    "campaign_groups": (GROUP, World.campaigns),
    "campaigns": (CAMPAIGN, _campaigns),
    "creatives": (CREATIVE, World.ads_under),
}
_DAILY: Mapping[str, _Nodes] = {"analytics_campaign": _campaigns, "analytics_creative": World.ads_under}
STREAMS = frozenset({*_ENTITIES, *_DAILY})


def _entities(kind: Kind, nodes: Iterator[Any], instant: int, *, deleted: bool) -> Rows:
    for node in nodes:
        of = view(node, instant)
        if of is None or (of.status == REMOVED and (kind is CREATIVE or not deleted)):
            continue
        yield {name: value for name, read in kind.fields.items() if (value := read(of)) is not None}


def _daily(world: World, account: Account, nodes: _Nodes, instant: int, query: TruthQuery) -> Rows:
    moment = Moment.of(account, instant)
    first = (query.first or world.config.start).toordinal()
    last = min(moment.today, query.last.toordinal() if query.last else moment.today)
    for node in nodes(world, account):
        if not query.deleted and _is_removed(node, instant):
            continue
        ads = list(world.ads_under(node))
        for day in range(first, last + 1):
            counts = _sum(ads, day, moment)
            if counts is None:
                continue
            row: dict[str, Any] = {
                "dateRange": date_range(date.fromordinal(day), date.fromordinal(day)),
                "pivotValues": [ids.urn(node)],
            }
            for name, metric in METRICS.items():
                if name != REACH:
                    row[name] = figure(metric(counts, account.market), noise=False)
            yield row


def _sum(ads: list[Ad], day: int, moment: Moment) -> Counts | None:
    result: Counts | None = None
    for ad in ads:
        if any(begin <= day < end for begin, end in ad.life.spans):
            counts = ad_day(ad, day, moment)
            if counts is not None:
                result = counts if result is None else Counts(*(a + b for a, b in zip(result, counts, strict=True)))
    return result


def _is_removed(node: AdSet | Ad, instant: int) -> bool:
    of = view(node, instant)
    return of is not None and of.status == REMOVED
