"""One integer for each record of an account, so that lists of millions can be sorted, cut and kept in memory.

Keys of one kind sort by the instant of creation, then by owner and serial. The owner is the number of a customer or,
from CATALOGUE on, an account.
"""

from collections.abc import Iterator, Sequence

from dataflow_assets.sandbox.world.commerce.catalog import PRODUCT_NAMES, Seller
from dataflow_assets.sandbox.world.commerce.events import tick_of, type_number, unpack
from dataflow_assets.sandbox.world.commerce.ledger import movements
from dataflow_assets.sandbox.world.commerce.records import (
    Charge,
    Dispute,
    Invoice,
    Movement,
    Payment,
    Refund,
    Source,
    Timeline,
    instant_of,
)

CATALOGUE = 1 << 39
KINDS = (
    "customer",
    "product",
    "price",
    "coupon",
    "subscription",
    "invoice",
    "invoice_payment",
    "payment_intent",
    "charge",
    "refund",
    "dispute",
    "balance_transaction",
    "event",
    "redemption",
)

_OWNER_BITS, _SERIAL_BITS = 40, 24
_SOURCES = tuple(Source)
_SOURCE_STEP = 8
_TYPE_STEP = 128


def write_key(created: int, owner: int, serial: int) -> int:
    """The key of a record that was created at an instant."""
    return (created << _OWNER_BITS | owner) << _SERIAL_BITS | serial


def first_key(instant: int) -> int:
    """The keys of what was created at or after the instant begin here."""
    return instant << _OWNER_BITS + _SERIAL_BITS


def read_key(key: int) -> tuple[int, int, int]:
    """Instant of creation, owner and serial."""
    rest, serial = divmod(key, 1 << _SERIAL_BITS)
    created, owner = divmod(rest, 1 << _OWNER_BITS)
    return created, owner, serial


def movement_serial(movement: Movement) -> int:
    """The serial of a movement among all of its owner's."""
    return movement.serial * _SOURCE_STEP + _SOURCES.index(movement.source)


def read_movement_serial(number: int) -> tuple[Source, int] | None:
    """Source and serial of a movement; None for a number that is none."""
    serial, source = divmod(number, _SOURCE_STEP)
    return (_SOURCES[source], serial) if source < len(_SOURCES) else None


def event_serial(ordinal: int, packed: int) -> int:
    """The serial of its owner's `ordinal`-th event; it holds the type, so that lists can be narrowed by it at once."""
    return ordinal * _TYPE_STEP + type_number(unpack(packed).type)


def read_event_serial(serial: int) -> tuple[int, int]:
    """The ordinal of an event, and the number of its type."""
    return divmod(serial, _TYPE_STEP)


def customer_keys(seller: Seller, timeline: Timeline, events_since: int = 0) -> Iterator[tuple[str, int]]:
    """The keys of everything about one customer, with their kinds; of events those since an instant."""
    owner = timeline.customer.number

    def made(kind: str, tick: int, serial: int) -> tuple[str, int]:
        return kind, write_key(instant_of(tick), owner, serial)

    yield made("customer", timeline.created, 0)
    if timeline.subscription is not None:
        yield made("subscription", timeline.subscription.created, 0)
    if timeline.discount is not None:
        yield made("redemption", timeline.discount.start, timeline.discount.coupon)
    for invoice in timeline.invoices:
        if invoice.payment is not None:
            yield made("invoice_payment", timeline.payments[invoice.payment].created, invoice.serial)
    records: tuple[tuple[str, Sequence[Invoice | Payment | Charge | Refund | Dispute]], ...] = (
        ("invoice", timeline.invoices),
        ("payment_intent", timeline.payments),
        ("charge", timeline.charges),
        ("refund", timeline.refunds),
        ("dispute", timeline.disputes),
    )
    for kind, of_kind in records:
        for record in of_kind:
            yield made(kind, record.created, record.serial)
    for movement in movements(seller, timeline):
        yield made("balance_transaction", movement.created, movement_serial(movement))
    yield from _event_keys(owner, timeline.events, events_since)


def catalogue_keys(seller: Seller, until: int, events_since: int = 0) -> Iterator[tuple[str, int]]:
    """The keys of what belongs to the account itself: its catalogue, and what it paid to Stripe until an instant."""
    owner = CATALOGUE + seller.index
    for product in range(len(PRODUCT_NAMES)):
        yield "product", write_key(instant_of(seller.product_created(product)), owner, product)
    for price in seller.prices:
        yield "price", write_key(instant_of(seller.price_created(price.serial)), owner, price.serial)
    for coupon in seller.coupons:
        yield "coupon", write_key(instant_of(seller.coupon_created(coupon.serial)), owner, coupon.serial)
    for fee in seller.software_fees(until):
        yield "balance_transaction", write_key(instant_of(fee.created), owner, movement_serial(fee))
    yield from _event_keys(owner, seller.events(), events_since)


def _event_keys(owner: int, events: list[int], since: int) -> Iterator[tuple[str, int]]:
    for ordinal, packed in enumerate(events):
        created = instant_of(tick_of(packed))
        if created >= since:
            yield "event", write_key(created, owner, event_serial(ordinal, packed))
