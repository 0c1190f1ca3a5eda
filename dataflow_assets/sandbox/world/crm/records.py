"""The shape of a CRM's records: a record holds every state it ever has."""

from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum

from dataflow_assets.sandbox.world.customers import Company, Customer, Stage


class Kind(StrEnum):
    """What a record is about."""

    CONTACT = "contact"
    COMPANY = "company"
    DEAL = "deal"


class Cause(StrEnum):
    """What brought a record into a state."""

    FORM = "form"
    PERSON = "person"
    AUTOMATION = "automation"
    UPKEEP = "upkeep"
    MERGE = "merge"


class Lifecycle(StrEnum):
    """How far a contact has come."""

    SUBSCRIBER = "subscriber"
    LEAD = "lead"
    MARKETING_QUALIFIED = "marketing qualified"
    SALES_QUALIFIED = "sales qualified"
    OPPORTUNITY = "opportunity"
    CUSTOMER = "customer"


class End(StrEnum):
    """How a record ends: in the recycle bin, without a trace, or inside of another record."""

    ARCHIVED = "archived"
    ERASED = "erased"
    MERGED = "merged"


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a record; `into` is the copy that a merged one lives on in."""

    at: int
    how: End
    into: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactState:
    """A contact from `at` on. `owner` counts sales people from 0; `merged` are the copies merged into it."""

    at: int
    cause: Cause
    email: str
    first_name: str
    last_name: str
    company: str
    country: str | None
    lifecycle: Lifecycle
    owner: int | None = None
    merged: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyState:
    """A company from `at` on."""

    at: int
    cause: Cause
    name: str
    employees: int | None
    owner: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DealState:
    """A deal from `at` on. `amount` in minor units; `closes` is the expected end, or the end once it is closed."""

    at: int
    cause: Cause
    name: str
    stage: Stage
    amount: int
    owner: int
    closes: int | None
    merged: tuple[int, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether it is won or lost."""
        return self.stage in (Stage.WON, Stage.LOST)


State = ContactState | CompanyState | DealState


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A record and every state it ever has, oldest first.

    `number` is that of the person (for companies, of whoever came first); `copy` tells records about the same one
    apart. It exists from `begins` on, which is later than its first state when a merge made it from others.
    """

    kind: Kind
    number: int
    copy: int
    subject: Customer | Company
    states: tuple[State, ...]
    begins: int
    ending: Ending | None = None

    @property
    def created(self) -> int:
        """When it was created; of a merged one, when the first of its parts was."""
        return self.states[0].at

    @property
    def key(self) -> tuple[Kind, int, int]:
        """Names the record within its portal."""
        return self.kind, self.number, self.copy

    def at(self, instant: int) -> State | None:
        """Its state at an instant, which after its end is the last it had; None before it exists."""
        if instant < self.begins:
            return None
        return self.states[bisect_right(self.states, instant, key=_since) - 1]

    def is_live(self, instant: int) -> bool:
        """Whether it exists and has not ended."""
        return self.begins <= instant and (self.ending is None or instant < self.ending.at)


def _since(state: State) -> int:
    return state.at
