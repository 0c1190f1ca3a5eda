"""Which records of a CRM belong together. Links come and go without touching the records they join."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.crm.portal import Portal
from dataflow_assets.sandbox.world.crm.records import Kind, Record
from dataflow_assets.sandbox.world.customers import NUMBERS_PER_DAY, Customer

_DAY_MILLIS = 86_400_000
_CHAMPION_AFTER = 2 * _DAY_MILLIS
_CONSULTING_AFTER = 12 * _DAY_MILLIS


class Role(StrEnum):
    """What a record is to another; one link can have several."""

    PLAIN = "plain"
    PRIMARY = "primary"
    CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class Link:
    """That a record belongs to another, since an instant and until one of both ends."""

    to: Record
    since: int
    roles: tuple[Role, ...]


def linked(portal: Portal, record: Record, kind: Kind, instant: int) -> list[Link]:
    """The records of another kind that one belongs to at an instant, by number and copy; none if it is not live."""
    if not record.is_live(instant):
        return []
    if (record.kind, kind) in _FORWARD:
        found = _FORWARD[record.kind, kind](portal, record)
    else:
        found = _backward(portal, record, kind)
    links = {link.to.key: link for link in found if link.since <= instant and link.to.is_live(instant)}
    return [links[key] for key in sorted(links)]


def _backward(portal: Portal, record: Record, kind: Kind) -> Iterator[Link]:
    """Those whose own links lead here. They are near: colleagues come one after the other, consultants soon after."""
    near = (0, 1, _consults_back(portal), 1 + _consults_back(portal))
    for step in near:
        for other in portal.of(kind, record.number + step):
            for link in _FORWARD[kind, record.kind](portal, other):
                if link.to.key == record.key:
                    yield Link(other, link.since, link.roles)


def _contacts_of_deal(portal: Portal, deal: Record) -> Iterator[Link]:
    for contact in portal.of(Kind.CONTACT, deal.number)[:1]:
        yield Link(contact, deal.begins, (Role.PLAIN,))
    founder = _customer(deal).company.number
    if founder != deal.number:
        for contact in portal.of(Kind.CONTACT, founder)[:1]:
            yield Link(contact, deal.begins + _CHAMPION_AFTER, (Role.PLAIN, Role.CHAMPION))


def _companies_of_deal(portal: Portal, deal: Record) -> Iterator[Link]:
    for company in portal.of(Kind.COMPANY, _customer(deal).company.number):
        yield Link(company, deal.begins, (Role.PRIMARY, Role.PLAIN))


def _companies_of_contact(portal: Portal, contact: Record) -> Iterator[Link]:
    customer = _customer(contact)
    for company in portal.of(Kind.COMPANY, customer.company.number):
        yield Link(company, contact.begins, (Role.PRIMARY, Role.PLAIN))
    client = contact.number - _consults_back(portal)
    if contact.copy or client // NUMBERS_PER_DAY != contact.number // NUMBERS_PER_DAY or not _consults(customer):
        return
    number = portal.world.customer(client).company.number
    for company in portal.of(Kind.COMPANY, number):
        yield Link(company, contact.begins + _CONSULTING_AFTER, (Role.PLAIN,))


_FORWARD = {
    (Kind.DEAL, Kind.CONTACT): _contacts_of_deal,
    (Kind.DEAL, Kind.COMPANY): _companies_of_deal,
    (Kind.CONTACT, Kind.COMPANY): _companies_of_contact,
}


def _customer(record: Record) -> Customer:
    if not isinstance(record.subject, Customer):
        raise TypeError(f"A {record.kind} is not about a person.")
    return record.subject


def _consults_back(portal: Portal) -> int:
    """How many numbers before a consultant their client stands: in the same portal, and never of the same company."""
    return 2 * portal.config.hubspot_portals


def _consults(customer: Customer) -> bool:
    chance, *_ = draws(salt(customer.salt.hex(), "consults"), 0)
    return between(chance, 0, 99) < 10  # noqa: PLR2004 - one in ten
