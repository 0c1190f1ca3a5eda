"""What the world holds in Meta's terms, told without the API: the measure of what a connector has loaded.

Figures are summed straight from the world, ad by ad and day by day, without the API's levels, periods, filters and
pages. Only the spelling of single values (ids, names, times, money) is shared with it.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from dataflow_assets.sandbox.core import Core, TruthQuery
from dataflow_assets.sandbox.meta_ads import ids
from dataflow_assets.sandbox.meta_ads.entities import ACCOUNT, AD, AD_SET, CAMPAIGN, CREATIVE, Kind, view
from dataflow_assets.sandbox.meta_ads.metrics import METRICS, who
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Counts, Moment, World
from dataflow_assets.sandbox.world.lifecycle import Status
from dataflow_assets.sandbox.world.performance import ad_day

Rows = Iterator[Mapping[str, Any]]
_Nodes = Callable[[World, Account], Iterator[Any]]


def tell(core: Core, stream: str, query: TruthQuery) -> Rows:
    """The full rows of a stream as of now.

    Raises:
        KeyError: there is no such stream or account.
    """
    instant = core.clock.epoch()
    accounts = core.world.accounts("meta_ads")
    if query.account is not None:
        account = ids.account_of(core.world, query.account.removeprefix("act_"))
        if account is None:
            raise KeyError(query.account)
        accounts = (account,)
    if stream in _ENTITIES:
        kind, nodes = _ENTITIES[stream]
        return (row for account in accounts for row in _entities(core.world, account, kind, nodes, instant))
    nodes = _DAILY[stream]
    return (row for account in accounts for row in _daily(core.world, account, nodes, instant, query))


def _ad_sets(world: World, account: Account) -> Iterator[AdSet]:
    return (ad_set for campaign in world.campaigns(account) for ad_set in world.ad_sets(campaign))


def _creatives(world: World, account: Account) -> Iterator[ids.Creative]:
    return (ids.Creative(ad) for ad in world.ads_under(account))


_ENTITIES: Mapping[str, tuple[Kind, _Nodes]] = {
    "ad_accounts": (ACCOUNT, lambda _, account: iter([account])),
    "campaigns": (CAMPAIGN, World.campaigns),
    "ad_sets": (AD_SET, _ad_sets),
    "ads": (AD, World.ads_under),
    "creatives": (CREATIVE, _creatives),
}
_DAILY: Mapping[str, _Nodes] = {
    "insights_campaign": World.campaigns,
    "insights_ad_set": _ad_sets,
    "insights_ad": World.ads_under,
}
STREAMS = frozenset({*_ENTITIES, *_DAILY})


def _entities(world: World, account: Account, kind: Kind, nodes: _Nodes, instant: int) -> Rows:
    for node in nodes(world, account):
        of = view(node, instant)
        if of is None or of.effective_status == Status.DELETED:
            continue
        row = {name: value for name, read in kind.fields.items() if (value := read(of)) is not None}
        if kind is AD:
            row["creative"] = {"id": ids.creative_id(node)}
        yield row


def _daily(world: World, account: Account, nodes: _Nodes, instant: int, query: TruthQuery) -> Rows:
    moment = Moment.of(account, instant)
    first = (query.first or world.config.start).toordinal()
    last = min(moment.today, query.last.toordinal() if query.last else moment.today)
    for node in nodes(world, account):
        if isinstance(node, Ad) and not query.deleted and _is_deleted(node, instant):
            continue
        names: dict[str, str] | None = None  # on most days most things deliver nothing
        ads = list(world.ads_under(node))
        for day in range(first, last + 1):
            counts = _sum(ads, day, moment)
            if counts is None:
                continue
            figures = {
                name: value
                for name, metric in METRICS.items()
                if (value := metric(counts, account.market.digits, query.windows)) is not None
            }
            text = date.fromordinal(day).isoformat()
            names = names or who(account, node, instant)
            yield names | figures | {"date_start": text, "date_stop": text}


def _sum(ads: list[Ad], day: int, moment: Moment) -> Counts | None:
    result: Counts | None = None
    for ad in ads:
        if any(begin <= day < end for begin, end in ad.life.spans):
            counts = ad_day(ad, day, moment)
            if counts is not None:
                result = counts if result is None else Counts(*(a + b for a, b in zip(result, counts, strict=True)))
    return result


def _is_deleted(ad: Ad, instant: int) -> bool:
    of = view(ad, instant)
    return of is not None and of.effective_status == Status.DELETED
