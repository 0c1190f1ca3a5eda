"""The edges that list campaigns, ad sets, ads and creatives below an account, a campaign, an ad set or an ad."""

from collections.abc import Callable, Iterator
from typing import Any

from dataflow_assets.sandbox.meta_ads import ids
from dataflow_assets.sandbox.meta_ads.entities import Kind, View, view
from dataflow_assets.sandbox.meta_ads.errors import invalid, not_reproduced
from dataflow_assets.sandbox.meta_ads.filtering import Filter, property_of, read_filters
from dataflow_assets.sandbox.meta_ads.paging import Position
from dataflow_assets.sandbox.meta_ads.requests import Call
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, World
from dataflow_assets.sandbox.world.lifecycle import Status

Place = tuple[Position, Any]

_HIDDEN = frozenset({str(Status.ARCHIVED), str(Status.DELETED)})
_REFUSED = ("date_preset", "time_range", "is_completed")


def places(world: World, below: ids.Entity, edge: str, from_campaign: int = 0) -> Iterator[Place]:
    """Everything an edge can ever list, in its fixed order, from the account's campaign number `from_campaign`."""
    for campaign in _campaigns(world, below, from_campaign):
        if edge == "campaigns":
            yield (campaign.index,), campaign
            continue
        for ad_set in _ad_sets(world, below, campaign):
            if edge == "adsets":
                yield (campaign.index, ad_set.index), ad_set
                continue
            for ad in [below] if isinstance(below, Ad) else world.ads(ad_set):
                node = ad if edge == "ads" else ids.Creative(ad)
                yield (campaign.index, ad_set.index, ad.index), node


def listed(call: Call, kind: Kind, instant: int, found: Iterator[Place]) -> Iterator[tuple[Position, View]]:
    """Those of the places that the call gets to see: existing, not hidden by status, meeting its conditions.

    Without a word about status, archived and deleted things are hidden. Deleted ones are never listed.
    """
    see = _sight(call, kind)
    for position, node in found:
        of = view(node, instant)
        if of is not None and see(of):
            yield position, of


def _sight(call: Call, kind: Kind) -> Callable[[View], bool]:
    for name in _REFUSED:
        if name in call.params:
            raise not_reproduced(f"`{name}` on the edges of campaigns, ad sets and ads")
    filters = read_filters(call, frozenset({"", kind.prefix, "campaign", "adset"} - {"creative", "account"}))
    statuses = call.strings("effective_status")
    spoken = statuses is not None or any(one.name == "effective_status" for one in filters)
    since = call.params.get("updated_since")
    if since is not None and not since.isdigit():
        raise invalid("Param updated_since must be a unix timestamp")

    def see(of: View) -> bool:
        status = str(of.effective_status)
        if status == Status.DELETED or (not spoken and status in _HIDDEN):
            return False
        if statuses is not None and status not in statuses:
            return False
        if since is not None and of.state.updated < int(since):
            return False
        return all(_passes(one, kind, of) for one in filters)

    return see


def _passes(one: Filter, kind: Kind, of: View) -> bool:
    if one.subject in ("", kind.prefix):
        return one.passes(property_of(one.name, of))
    inner = kind.inner.get(one.subject)
    above = view(inner[1](of), of.instant) if inner else None
    if above is None:
        raise invalid(f"Filtering field '{one.subject}.{one.name}' is not supported on {kind.name}")
    return one.passes(property_of(one.name, above))


def _campaigns(world: World, below: ids.Entity, from_campaign: int) -> Iterator[Campaign]:
    if isinstance(below, Account):
        for index in range(from_campaign, world.config.campaigns_per_account):
            yield world.campaign(below, index)
    elif isinstance(below, Campaign):
        yield below
    else:
        yield below.campaign if isinstance(below, AdSet) else below.ad_set.campaign


def _ad_sets(world: World, below: ids.Entity, campaign: Campaign) -> Iterator[AdSet]:
    if isinstance(below, AdSet):
        yield below
    elif isinstance(below, Ad):
        yield below.ad_set
    else:
        yield from world.ad_sets(campaign)
