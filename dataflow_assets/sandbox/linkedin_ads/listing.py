"""The finders: which entities of an account a `search` or `criteria` gets to see. apis/linkedin_ads.md, 2.2 to 2.5."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from dataflow_assets.sandbox.linkedin_ads import ids
from dataflow_assets.sandbox.linkedin_ads.entities import (
    ACCOUNT,
    CAMPAIGN,
    CREATIVE,
    GROUP,
    REMOVED,
    Kind,
    View,
    reachable,
    view,
)
from dataflow_assets.sandbox.linkedin_ads.errors import invalid_param, not_reproduced
from dataflow_assets.sandbox.linkedin_ads.paging import PAGING, Position
from dataflow_assets.sandbox.linkedin_ads.requests import Call, as_record, as_text, as_texts
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, World

Sees = Callable[[View], bool]
Place = tuple[Position, Any]

# Whether LinkedIn yields these to who does not name a status is not known. Hidden, they show who forgot to.
_HIDDEN = frozenset({"ARCHIVED", "CANCELED", "PENDING_DELETION", REMOVED})
_STATUSES = {
    ACCOUNT: frozenset({"ACTIVE", "CANCELED", "DRAFT", "PENDING_DELETION", REMOVED}),
    GROUP: frozenset({"ACTIVE", "ARCHIVED", "CANCELED", "DRAFT", "PAUSED", "PENDING_DELETION", REMOVED}),
    CAMPAIGN: frozenset(
        {"ACTIVE", "PAUSED", "ARCHIVED", "COMPLETED", "CANCELED", "DRAFT", "PENDING_DELETION", REMOVED}
    ),
    CREATIVE: frozenset({"ACTIVE", "PAUSED", "DRAFT", "ARCHIVED", "CANCELED", "PENDING_DELETION", REMOVED}),
}
_SEARCH_KEYS = {
    ACCOUNT: frozenset({"status", "id", "name", "type", "reference", "test"}),
    GROUP: frozenset({"status", "id", "name", "test"}),
    CAMPAIGN: frozenset({"status", "id", "name", "type", "campaignGroup", "test"}),
}
_SORT_FIELDS = frozenset({"ID"})
_ORDERS = {"ASCENDING": False, "DESCENDING": True}
_TRUTHS = {"true": True, "false": False}


def finder_of(kind: Kind) -> str:
    """The name in `q` by which a kind is found."""
    return "criteria" if kind is CREATIVE else "search"


def known_params(kind: Kind) -> frozenset[str]:
    """The parameters of a kind's finder."""
    own = {"campaigns", "creatives", "intendedStatuses", "sortOrder"} if kind is CREATIVE else {"search", "sort"}
    return PAGING | own | {"q", "fields"}


def places(world: World, kind: Kind, account: Account, first: int, *, descending: bool) -> Iterator[Place]:
    """Everything of a kind that an account ever has, by id, beginning with the campaign group number `first`."""
    size = world.config.campaigns_per_account
    groups = range(first, -1, -1) if descending else range(first, size)
    for index in groups:
        group = world.campaign(account, index)
        if kind is GROUP:
            yield (index,), group
            continue
        for campaign in _ordered(world.ad_sets(group), descending=descending):
            if kind is CAMPAIGN:
                yield (index, campaign.index), campaign
                continue
            for creative in _ordered(world.ads(campaign), descending=descending):
                yield (index, campaign.index, creative.index), creative


def _ordered(nodes: Iterable[Any], *, descending: bool) -> Iterable[Any]:
    return reversed(list(nodes)) if descending else nodes


def descends(call: Call, kind: Kind) -> bool:
    """Whether the last id is to come first."""
    if kind is CREATIVE:
        name, order = "sortOrder", call.text("sortOrder")
    else:
        name, sort = "sort", call.record("sort") or {}
        if not sort.keys() <= {"field", "order"} or as_text(sort.get("field", "ID"), name) not in _SORT_FIELDS:
            raise not_reproduced(name, "an order by anything but the id")
        order = as_text(sort.get("order", "ASCENDING"), name)
    if order is not None and order not in _ORDERS:
        raise invalid_param(name)
    return _ORDERS[order or "ASCENDING"]


def sight(call: Call, kind: Kind, *, all_statuses: bool) -> Sees:
    """What a call gets to see of a kind. Raises RestError for a condition that is not known.

    Without a word about status, archived and removed things are hidden unless `all_statuses`.
    """
    conditions = _criteria(call) if kind is CREATIVE else _search(call, kind)
    spoken = any(name == "status" for name, _ in conditions)
    tests = [test for _, test in conditions]

    def sees(of: View) -> bool:
        hidden = not spoken and not all_statuses and of.status in _HIDDEN
        return reachable(of) and not hidden and all(test(of) for test in tests)

    return sees


def seen(found: Iterator[Place], sees: Sees, instant: int) -> Iterator[tuple[Position, View]]:
    """Those of the places that exist and are seen."""
    for position, node in found:
        of = view(node, instant)
        if of is not None and sees(of):
            yield position, of


def _criteria(call: Call) -> list[tuple[str, Sees]]:
    conditions: list[tuple[str, Sees]] = []
    statuses = call.texts("intendedStatuses")
    if statuses is not None:
        conditions.append(("status", _is_in("intendedStatuses", CREATIVE, "intendedStatus", statuses)))
    for name, node, of_node in (("campaigns", AdSet, lambda ad: ad.ad_set), ("creatives", Ad, lambda ad: ad)):
        urns = call.texts(name)
        if urns is not None:
            conditions.append((name, _refers(name, node, of_node, urns)))
    return conditions


def _search(call: Call, kind: Kind) -> list[tuple[str, Sees]]:
    conditions: list[tuple[str, Sees]] = []
    for name, condition in (call.record("search") or {}).items():
        place = f"search/{name}"
        if name not in _SEARCH_KEYS[kind]:
            raise not_reproduced(place, "this condition")
        if name == "test":
            text = as_text(condition, place)
            if text not in _TRUTHS:
                raise invalid_param(place)
            conditions.append((name, _is_in(place, kind, "test", [_TRUTHS[text]])))
            continue
        values = as_record(condition, place)
        if values.keys() != {"values"}:
            raise invalid_param(place)
        wanted = as_texts(values["values"], place)
        conditions.append((name, _condition(kind, name, place, wanted)))
    return conditions


def _condition(kind: Kind, name: str, place: str, wanted: list[str]) -> Sees:
    if name == "id":
        # Written as a number or as a URN.
        prefix = f"{ids.URN_TYPES[kind.node]}:"
        return _is_in(place, kind, "id", [int(digits) for digits in _digits(place, wanted, prefix)])
    if name == "campaignGroup":
        return _refers(place, Campaign, lambda campaign: campaign.campaign, wanted)
    return _is_in(place, kind, name, wanted)


def _is_in(place: str, kind: Kind, field: str, wanted: Iterable[Any]) -> Sees:
    allowed = frozenset(wanted)
    if field in ("status", "intendedStatus") and not allowed <= _STATUSES[kind]:
        raise invalid_param(place, f"not a status: {', '.join(sorted(allowed - _STATUSES[kind]))}")
    read = kind.fields[field]
    return lambda of: read(of) in allowed


def _refers(place: str, node: type, look: Callable[[Any], Any], urns: list[str]) -> Sees:
    """Whether a thing belongs to one of those that the URNs name."""
    prefix = f"{ids.URN_TYPES[node]}:"
    if not all(text.startswith(prefix) for text in urns):
        raise invalid_param(place, f"each must be a {prefix}...")
    allowed = frozenset(int(digits) for digits in _digits(place, urns, prefix))
    return lambda of: ids.number(look(of.node)) in allowed


def _digits(place: str, texts: list[str], prefix: str) -> list[str]:
    found = [text.removeprefix(prefix) for text in texts]
    if not all(digits.isascii() and digits.isdigit() for digits in found):
        raise invalid_param(place)
    return found
