"""What happens to a CRM's records: who edits, archives and merges what, and when.

The CRM does not always agree with what was really sold: deals are entered twice and merged, amounts are corrected long
after the deal was won, an end is dated back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Any

from dataflow_assets.sandbox.world.chance import between, draws, salt
from dataflow_assets.sandbox.world.config import WorldConfig
from dataflow_assets.sandbox.world.crm.records import (
    Cause,
    CompanyState,
    ContactState,
    DealState,
    End,
    Ending,
    Kind,
    Lifecycle,
    Record,
    State,
)
from dataflow_assets.sandbox.world.customers import SALES_PEOPLE, Company, Customer, Deal, Stage

LEAVING = 3
"""The sales person who leaves half-way through the world's days; what is theirs stays theirs."""

DUPLICATE, MERGED_DEAL = 1, 2  # copies of a record; 0 is the first

_SECOND = 1_000
_HOUR = 3_600 * _SECOND
_DAY = 24 * _HOUR
_PERCENT = 99
_CORRECTED_AFTER = 40 * _DAY
_UPKEEP_HOUR = 3


@dataclass(frozen=True, slots=True)
class _Change:
    at: int
    cause: Cause
    fields: Mapping[str, Any]


def leaves_at(config: WorldConfig) -> int:
    """When the leaving sales person leaves."""
    day = datetime.combine(config.start, time(17), UTC) + timedelta(days=config.days // 2)
    return int(day.timestamp()) * _SECOND


def contact_records(config: WorldConfig, customer: Customer) -> tuple[Record, ...]:
    """The contact of a person, and the duplicate if somebody entered them again by hand."""
    identity = salt(customer.salt.hex(), "contact")
    late, fate, when, bare, unknown, *_ = draws(identity, 0)
    created = customer.arrived * _SECOND + between(late, 0, 999)
    first = ContactState(
        at=created,
        cause=Cause.FORM,
        email=customer.email,
        first_name=customer.first_name,
        last_name=customer.last_name,
        company=customer.company.name,
        country=None if between(unknown, 0, _PERCENT) < 25 else customer.market.country,  # noqa: PLR2004 - a quarter
        lifecycle=Lifecycle.LEAD if customer.ad else Lifecycle.SUBSCRIBER,
    )
    changes = [
        *_progress(config, customer, identity, created),
        *_edits(customer, first, identity),
        *_upkeep(identity, created),
    ]
    share = between(fate, 0, _PERCENT)
    if share < 5:  # noqa: PLR2004 - one in twenty is entered again
        again = created + between(bare, 1 * _DAY, 10 * _DAY)
        merged = again + between(when, 3 * _DAY, 12 * _DAY)
        twin = replace(first, at=again, cause=Cause.PERSON, email=_private(customer), lifecycle=Lifecycle.LEAD)
        changes.append(_Change(merged, Cause.MERGE, {"merged": (DUPLICATE,)}))
        return (
            _record(Kind.CONTACT, customer, 0, first, changes),
            _record(Kind.CONTACT, customer, DUPLICATE, twin, (), ending=Ending(merged, End.MERGED)),
        )
    ending = None
    if customer.pays_from is None and share < 18:  # noqa: PLR2004 - one in eight who never pays
        end = max(created, _over(customer.deal)) + between(when, 10 * _DAY, 50 * _DAY)
        ending = Ending(end, End.ERASED if share < 8 else End.ARCHIVED)  # noqa: PLR2004 - three in a hundred ask for it
    return (_record(Kind.CONTACT, customer, 0, first, changes, ending=ending),)


def company_record(config: WorldConfig, company: Company, people: Sequence[Customer]) -> Record:
    """A company, with those of its people who are in the portal: at least one."""
    identity = salt(company.salt.hex(), "crm")
    late, fate, when, found, known, renamed, *_ = draws(identity, 0)
    created = people[0].arrived * _SECOND + between(late, 0, 999)
    is_known = between(known, 0, _PERCENT) < 66  # noqa: PLR2004 - of two in three
    first = CompanyState(
        at=created, cause=Cause.FORM, name=company.name, employees=company.employees if is_known else None
    )
    changes = _upkeep(identity, created)
    if not is_known:
        at = created + between(found, 1 * _DAY, 4 * _DAY)
        changes.append(_Change(at, Cause.AUTOMATION, {"employees": company.employees}))
    sold = [customer.deal.created * _SECOND for customer in people if customer.deal]
    if sold:
        changes.append(_Change(min(sold), Cause.PERSON, {"owner": _seller(config, people[0], min(sold))}))
    if between(renamed, 0, _PERCENT) < 10:  # noqa: PLR2004 - one in ten
        at = created + between(when, 20 * _DAY, 70 * _DAY)
        changes.append(_Change(at, Cause.PERSON, {"name": f"{company.name} Group"}))
    ending = None
    pays = any(customer.pays_from is not None for customer in people)
    if not pays and between(fate, 0, _PERCENT) < 8:  # noqa: PLR2004 - of those who never pay
        end = max(created, *(_over(customer.deal) for customer in people)) + between(found, 20 * _DAY, 60 * _DAY)
        ending = Ending(end, End.ARCHIVED)
    return _record(Kind.COMPANY, company, 0, first, changes, ending=ending)


def deal_records(config: WorldConfig, customer: Customer) -> tuple[Record, ...]:
    """The deal of a person, if any. One that was entered twice has three: both, and what the merge made of them."""
    deal = customer.deal
    if deal is None:
        return ()
    identity = salt(customer.salt.hex(), "deal")
    fate, when, again, open_end, *_ = draws(identity, 0)
    instants = [at * _SECOND + between(ms, 0, 999) for (at, _), ms in zip(deal.steps, draws(identity, 1), strict=False)]
    created, end = instants[0], instants[-1]
    first = DealState(
        at=created,
        cause=Cause.PERSON,
        name=f"{customer.company.name} {customer.plan.name}",
        stage=deal.steps[0][1],
        amount=deal.amount,
        owner=_seller(config, customer, created),
        closes=None if between(open_end, 0, _PERCENT) < 20 else created + 30 * _DAY,  # noqa: PLR2004 - one in five
    )
    changes = [_Change(at, Cause.PERSON, {"stage": stage}) for at, (_, stage) in zip(instants, deal.steps, strict=True)]
    changes[-1] = replace(changes[-1], fields={"stage": deal.steps[-1][1], "closes": end})
    changes = [*changes[1:], *_deal_edits(deal, first, end, identity), *_upkeep(identity, created)]
    share = between(fate, 0, _PERCENT)
    if share < 7:  # noqa: PLR2004 - one in fourteen
        entered = created + between(again, 2 * _HOUR, 30 * _HOUR)
        merged = entered + between(when, 1 * _DAY, 4 * _DAY)
        twin = replace(first, at=entered, name=f"{first.name} (2)")
        joined = [*changes, _Change(merged, Cause.MERGE, {"merged": (0, DUPLICATE)})]
        gone = Ending(merged, End.MERGED, into=MERGED_DEAL)
        return (
            _record(Kind.DEAL, customer, 0, first, changes, ending=gone),
            _record(Kind.DEAL, customer, DUPLICATE, twin, (), ending=gone),
            _record(Kind.DEAL, customer, MERGED_DEAL, first, joined, begins=merged),
        )
    is_lost = deal.steps[-1][1] is Stage.LOST
    archived = is_lost and share < 20  # noqa: PLR2004 - one in eight of the lost
    ending = Ending(end + between(when, 5 * _DAY, 20 * _DAY), End.ARCHIVED) if archived else None
    return (_record(Kind.DEAL, customer, 0, first, changes, ending=ending),)


def _record(
    kind: Kind,
    subject: Customer | Company,
    copy: int,
    first: State,
    changes: Sequence[_Change],
    *,
    ending: Ending | None = None,
    begins: int | None = None,
) -> Record:
    """Play the changes up to the end, from the first state on."""
    states = [first]
    for change in sorted(changes, key=lambda one: one.at):
        if ending is None or change.at < ending.at:
            states.append(replace(states[-1], at=change.at, cause=change.cause, **change.fields))
    return Record(kind, subject.number, copy, subject, tuple(states), first.at if begins is None else begins, ending)


def _progress(config: WorldConfig, customer: Customer, identity: bytes, created: int) -> list[_Change]:
    """How a contact comes nearer to buying."""
    chance, when, *_ = draws(identity, 1)
    paid = [] if customer.pays_from is None else [_stage(customer.pays_from * _SECOND + 3_217, Lifecycle.CUSTOMER)]
    if customer.deal is None:
        interested = not paid and between(chance, 0, 1) == 1
        at = created + between(when, 1 * _DAY, 5 * _DAY)
        return [_stage(at, Lifecycle.MARKETING_QUALIFIED)] if interested else paid
    dealt = customer.deal.created * _SECOND
    met = (created + dealt) // 2
    assigned = {"lifecycle": Lifecycle.SALES_QUALIFIED, "owner": _seller(config, customer, met)}
    return [_Change(met, Cause.PERSON, assigned), _stage(dealt + 2_049, Lifecycle.OPPORTUNITY), *paid]


def _stage(at: int, stage: Lifecycle) -> _Change:
    return _Change(at, Cause.AUTOMATION, {"lifecycle": stage})


def _edits(customer: Customer, first: ContactState, identity: bytes) -> list[_Change]:
    """What somebody notices and corrects days or weeks later."""
    chance, when, what, *_ = draws(identity, 2)
    if between(chance, 0, _PERCENT) >= 35:  # noqa: PLR2004 - of one in three
        return []
    fields: dict[str, Any] = {"company": f"{first.company} (HQ)"}
    if first.country is None:
        fields = {"country": customer.market.country}
    elif between(what, 0, 1):
        fields = {"last_name": f"{first.last_name}-Novák"}
    return [_Change(first.at + between(when, 2 * _DAY, 30 * _DAY), Cause.PERSON, fields)]


def _deal_edits(deal: Deal, first: DealState, end: int, identity: bytes) -> list[_Change]:
    """An expected end that is put off, an end that is dated back, an amount that is corrected 40 days after the win."""
    slips, back, days, corrected, *_ = draws(identity, 2)
    changes = []
    put_off = first.at + 10 * _DAY + 431
    if put_off < end and between(slips, 0, _PERCENT) < 40:  # noqa: PLR2004 - two in five
        changes.append(_Change(put_off, Cause.PERSON, {"closes": first.at + 44 * _DAY}))
    if deal.steps[-1][1] is Stage.WON:
        if between(back, 0, _PERCENT) < 15:  # noqa: PLR2004 - one in seven
            at = end + 5 * _DAY + 118
            changes.append(_Change(at, Cause.PERSON, {"closes": end - between(days, 1, 3) * _DAY}))
        if between(corrected, 0, _PERCENT) < 30:  # noqa: PLR2004 - three in ten
            changes.append(_Change(end + _CORRECTED_AFTER, Cause.PERSON, {"amount": deal.amount * 9 // 10}))
    return changes


def _upkeep(identity: bytes, created: int) -> list[_Change]:
    """On the first of the month after its creation a job touches most records, all in the same millisecond."""
    chance, *_ = draws(identity, 3)
    if between(chance, 0, _PERCENT) >= 70:  # noqa: PLR2004 - it leaves out three in ten
        return []
    born = datetime.fromtimestamp(created // _SECOND, UTC)
    following = (born.replace(day=1) + timedelta(days=32)).replace(day=1)
    job = following.replace(hour=_UPKEEP_HOUR, minute=0, second=0, microsecond=0)
    return [_Change(int(job.timestamp()) * _SECOND, Cause.UPKEEP, {})]


def _seller(config: WorldConfig, customer: Customer, at: int) -> int:
    """Who is in charge when somebody takes it up: nothing new goes to who has left."""
    if customer.owner == LEAVING and at >= leaves_at(config):
        return (LEAVING + 1) % SALES_PEOPLE
    return customer.owner


def _over(deal: Deal | None) -> int:
    return deal.steps[-1][0] * _SECOND if deal else 0


def _private(customer: Customer) -> str:
    return f"{customer.email.partition('@')[0]}@mail.example"
