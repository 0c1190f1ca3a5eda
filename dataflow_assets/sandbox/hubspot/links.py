"""Associations in HubSpot's shape: the numbered kinds of link between two records. apis/hubspot.md, section 2.4."""

from collections.abc import Mapping
from typing import Any

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.world.crm import Kind, Link, Portal, Role

Json = dict[str, Any]

_CONTACT, _COMPANY, _DEAL = Kind.CONTACT, Kind.COMPANY, Kind.DEAL
_TYPE_IDS: Mapping[tuple[Kind, Kind], Mapping[Role, int]] = {
    (_DEAL, _CONTACT): {Role.PLAIN: 3, Role.CHAMPION: 17},
    (_CONTACT, _DEAL): {Role.PLAIN: 4, Role.CHAMPION: 18},
    (_CONTACT, _COMPANY): {Role.PLAIN: 279, Role.PRIMARY: 1},
    (_COMPANY, _CONTACT): {Role.PLAIN: 280, Role.PRIMARY: 2},
    (_DEAL, _COMPANY): {Role.PLAIN: 341, Role.PRIMARY: 5},
    (_COMPANY, _DEAL): {Role.PLAIN: 342, Role.PRIMARY: 6},
}
PAIRS = frozenset(_TYPE_IDS)
_LABELS = {Role.PLAIN: None, Role.PRIMARY: "Primary", Role.CHAMPION: "Champion"}
# The portal made this one itself.
_OWN = Role.CHAMPION


def types(kind: Kind, link: Link) -> list[Json]:
    """The kinds of a link that goes out from a record of a kind."""
    numbers = _TYPE_IDS[kind, link.to.kind]
    return [
        {
            "category": "USER_DEFINED" if role is _OWN else "HUBSPOT_DEFINED",
            "typeId": numbers[role],
            "label": _LABELS[role],
        }
        for role in link.roles
    ]


def with_types(portal: Portal, kind: Kind, link: Link) -> Json:
    """A link as version 4 tells it: the id is a number there."""
    return {"toObjectId": int(ids.id_of(portal, link.to)), "associationTypes": types(kind, link)}


def by_names(portal: Portal, kind: Kind, link: Link) -> list[Json]:
    """A link as lists of records tell it: once for each of its kinds."""
    has_primary = Role.PRIMARY in _TYPE_IDS[kind, link.to.kind]
    pair = f"{kind}_to_{link.to.kind}"
    spelled = {
        Role.PRIMARY: pair,
        Role.PLAIN: f"{pair}_unlabeled" if has_primary else pair,
        Role.CHAMPION: "champion",
    }
    return [{"id": ids.id_of(portal, link.to), "type": spelled[role]} for role in link.roles]
