"""HubSpot's ids for things of the world, and back. They are arithmetic, so nothing has to be looked up.

The ids of records have 11 digits at first and 12 some weeks into the world's history: in the order of texts the later
ones come first, so that whoever sorts ids as text is found out.
"""

from dataclasses import dataclass

from dataflow_assets.sandbox.world import World
from dataflow_assets.sandbox.world.crm import Kind, Portal, Record

NAME = "hubspot"
PLURALS = {Kind.CONTACT: "contacts", Kind.COMPANY: "companies", Kind.DEAL: "deals"}

_COPIES = 10
_MOST_DIGITS = 18
_PORTALS_FROM, _PORTAL_STEP = 44_556_677, 1_000_033
_OWNERS_FROM, _PORTAL_OWNERS, _OWNER_STEP = 77_120_034, 1_000_000, 1_117
_USERS_FROM = 5_510_021


@dataclass(frozen=True)
class _Numbering:
    first: int
    step: int


_NUMBERINGS = {
    Kind.CONTACT: _Numbering(96_000_000_011, 10_007),
    Kind.COMPANY: _Numbering(97_000_000_023, 10_009),
    Kind.DEAL: _Numbering(95_000_000_039, 10_037),
}


def portal_id(index: int) -> int:
    """The number of a portal, the `index`-th of the world."""
    return _PORTALS_FROM + index * _PORTAL_STEP


def portal_index(world: World, text: str) -> int | None:
    """Which portal of the world has this number."""
    numbers = [str(portal_id(index)) for index in range(world.config.hubspot_portals)]
    return numbers.index(text) if text in numbers else None


def record_id(portal: Portal, kind: Kind, number: int, copy: int) -> str:
    """The id of a record. A company can be in several portals, under another id in each."""
    numbering = _NUMBERINGS[kind]
    part = portal.index if kind is Kind.COMPANY else copy
    return str(numbering.first + (number * _COPIES + part) * numbering.step)


def id_of(portal: Portal, record: Record) -> str:
    """The id of a record."""
    return record_id(portal, record.kind, record.number, record.copy)


def record_of(portal: Portal, kind: Kind, text: str) -> Record | None:
    """What an id stands for, whether it exists yet or not; None for an id that never will."""
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        return None
    numbering = _NUMBERINGS[kind]
    position, rest = divmod(int(text) - numbering.first, numbering.step)
    if rest or position < 0:
        return None
    number, part = divmod(position, _COPIES)
    if kind is not Kind.COMPANY:
        return portal.find(kind, number, part)
    return portal.find(kind, number, 0) if part == portal.index else None


def owner_id(portal: Portal, owner: int) -> str:
    """The id of an owner, by which records name who is in charge."""
    return str(_OWNERS_FROM + portal.index * _PORTAL_OWNERS + owner * _OWNER_STEP)


def user_id(portal: Portal, owner: int) -> int:
    """The id of the owner's login, which is another number."""
    return _USERS_FROM + portal.index * _PORTAL_OWNERS + owner
