"""What is written down of money: who subscribes to what, what was billed, paid, given back and disputed.

Nobody but Stripe tells of it here, so the words are Stripe's. Time is in ticks: STEPS of them make a second, and no two
changes of one customer share a tick, so "just before this change" is one tick earlier. An instant is a unix second.
A record holds every tick at which something about it changes; what it was at any tick follows by comparing.
"""

from bisect import bisect_right
from dataclasses import dataclass, field
from enum import StrEnum

from dataflow_assets.sandbox.world.customers import Customer

STEPS = 4_096
NEVER = 1 << 62


def instant_of(tick: int) -> int:
    """The second a tick lies in."""
    return tick // STEPS


def end_of(instant: int) -> int:
    """The last tick of a second: whoever looks at an instant sees all of it."""
    return instant * STEPS + STEPS - 1


class Pause(StrEnum):
    """What becomes of bills while collection is paused."""

    VOID = "void"
    KEEP_AS_DRAFT = "keep_as_draft"
    MARK_UNCOLLECTIBLE = "mark_uncollectible"


class Reason(StrEnum):
    """Why an invoice was made."""

    CREATE = "subscription_create"
    CYCLE = "subscription_cycle"
    UPDATE = "subscription_update"
    MANUAL = "manual"


class LineKind(StrEnum):
    """What a line of an invoice bills."""

    PERIOD = "period"
    TRIAL = "trial"
    UNUSED = "unused"
    REMAINING = "remaining"
    ONE_OFF = "one_off"


class Source(StrEnum):
    """What moves money on the account's balance."""

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    FEE = "fee"


@dataclass(frozen=True, slots=True)
class Item:
    """A part of a subscription: seats of a product. `since` is the instant it was added."""

    serial: int
    since: int
    product: int
    seats: int


@dataclass(frozen=True, slots=True)
class Terms:
    """A subscription from `tick` on. The period and `canceled_at` are instants; `latest_invoice` is a serial."""

    tick: int
    status: str
    period: tuple[int, int]
    items: tuple[Item, ...]
    discounted: bool
    latest_invoice: int | None = None
    cancel_at_period_end: bool = False
    canceled_at: int | None = None
    ended_at: int | None = None
    cancel_reason: str | None = None
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a customer stands from `tick` on. A negative `balance` is owed to them, in minor units."""

    tick: int
    has_currency: bool = False
    balance: int = 0
    delinquent: bool = False


@dataclass(slots=True, eq=False)
class Discount:
    """A coupon in use from tick `start` until `end` (NEVER until it is known). `ends_at` is announced, an instant."""

    coupon: int
    start: int
    ends_at: int | None
    end: int = NEVER


@dataclass(slots=True, eq=False)
class Subscription:
    """Its `terms`, oldest first. `trial` is a span of instants; every period begins in step with `anchor`."""

    created: int
    anchor: int
    trial: tuple[int, int] | None
    terms: list[Terms] = field(default_factory=list)

    def at(self, tick: int) -> Terms:
        """The terms in force."""
        return self.terms[bisect_right(self.terms, tick, key=_tick) - 1]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice. `item` is the subscription item's serial, None for a one-off; `discount` is not yet off."""

    kind: LineKind
    product: int
    seats: int
    amount: int
    period: tuple[int, int]
    item: int | None = None
    discount: int = 0

    @property
    def is_proration(self) -> bool:
        """It corrects a period already billed."""
        return self.kind in (LineKind.UNUSED, LineKind.REMAINING)


@dataclass(slots=True, eq=False)
class Invoice:
    """A bill. Ticks: it is a draft until `finalized`, and nobody tries to collect it from `halted` on.

    `lines` are in Stripe's order. Its number and what it takes from the customer's balance are settled when finalized.
    """

    serial: int
    created: int
    reason: Reason
    period: tuple[int, int]
    lines: tuple[Line, ...]
    discounted: bool
    number: int | None = None
    starting_balance: int = 0
    ending_balance: int = 0
    finalized: int = NEVER
    finalizes_at: int | None = None
    paid: int = NEVER
    voided: int = NEVER
    uncollectible: int = NEVER
    deleted: int = NEVER
    halted: int = NEVER
    payment: int | None = None

    @property
    def subtotal(self) -> int:
        """The sum of its lines."""
        return sum(line.amount for line in self.lines)

    @property
    def total(self) -> int:
        """The sum of its lines less their discounts."""
        return sum(line.amount - line.discount for line in self.lines)

    def status(self, tick: int) -> str:
        """What it is at a tick."""
        if tick >= self.voided:
            return "void"
        if tick >= self.paid:
            return "paid"
        if tick >= self.uncollectible:
            return "uncollectible"
        return "open" if tick >= self.finalized else "draft"

    def is_closed(self, tick: int) -> bool:
        """Nothing will come of it any more."""
        return tick >= min(self.voided, self.paid, self.uncollectible, self.deleted)


def amount_due(total: int, balance: int) -> int:
    """What is to be paid when the customer's balance is so much (negative: owed to them)."""
    return max(0, total + min(0, balance))


def balance_after(total: int, balance: int) -> int:
    """The customer's balance once a bill was settled with it: credit is used up, and a negative bill is credit."""
    return balance + total if total < 0 else min(0, balance + total)


@dataclass(slots=True, eq=False)
class Payment:
    """The will to be paid once: for an invoice, or for a one-off purchase without. `charges` are serials, in order."""

    serial: int
    created: int
    amount: int
    invoice: int | None
    charges: list[int] = field(default_factory=list)
    succeeded: int = NEVER
    canceled: int = NEVER


@dataclass(slots=True, eq=False)
class Charge:
    """One attempt to take money. `failure` is a decline code; `retry_at` the instant of the next try, if announced."""

    serial: int
    created: int
    payment: int
    amount: int
    failure: str | None
    retry_at: int | None = None
    refunds: list[int] = field(default_factory=list)
    dispute: int | None = None


@dataclass(slots=True, eq=False)
class Refund:
    """Money given back, or not: pending until `settled`; from `failed` on it has not happened."""

    serial: int
    created: int
    charge: int
    amount: int
    reason: str | None
    settled: int
    failed: int = NEVER


@dataclass(slots=True, eq=False)
class Dispute:
    """A payment the cardholder denies: the money is gone from `created` on, and back when it is `closed` and won."""

    serial: int
    created: int
    charge: int
    amount: int
    reason: str
    answered: int = NEVER
    closed: int = NEVER
    won: bool = False


@dataclass(frozen=True, slots=True)
class Movement:
    """One movement of money on an account's balance, in the account's currency. `created` is a tick."""

    source: Source
    serial: int
    created: int
    amount: int
    fee: int
    rate_micros: int | None

    @property
    def net(self) -> int:
        """What the balance changes by."""
        return self.amount - self.fee


@dataclass(slots=True, eq=False)
class Timeline:
    """Everything about one paying customer until `until`, an instant. Records lie at their serials; ticks only grow.

    `events` are packed: see the module of that name. Whoever reads it must change nothing: it is shared.
    """

    customer: Customer
    seller: int
    until: int
    created: int = NEVER
    deleted: int = NEVER
    standings: list[Standing] = field(default_factory=list)
    subscription: Subscription | None = None
    discount: Discount | None = None
    invoices: list[Invoice] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    events: list[int] = field(default_factory=list)

    def standing(self, tick: int) -> Standing:
        """How the customer stands at a tick."""
        return self.standings[bisect_right(self.standings, tick, key=_tick) - 1]

    def refunded(self, charge: Charge, tick: int) -> int:
        """How much of a charge has been given back by a tick."""
        made = (self.refunds[serial] for serial in charge.refunds)
        return sum(refund.amount for refund in made if refund.created <= tick < refund.failed)


def _tick(version: Terms | Standing) -> int:
    return version.tick
