"""The changes that Stripe tells of. Each type names what its object is; an event is packed into one integer.

Packed, because a big world has millions of them: tick, then type, then the serial of the object among its kind.
"""

from typing import NamedTuple

_TYPE_BITS = 7
_SERIAL_BITS = 21

# In this order they get their numbers, which ids hold: new ones go to the end.
KIND_OF_TYPE = {
    "customer.created": "customer",
    "customer.updated": "customer",
    "customer.deleted": "customer",
    "customer.discount.created": "discount",
    "customer.discount.deleted": "discount",
    "customer.subscription.created": "subscription",
    "customer.subscription.updated": "subscription",
    "customer.subscription.deleted": "subscription",
    "customer.subscription.trial_will_end": "subscription",
    "invoice.created": "invoice",
    "invoice.updated": "invoice",
    "invoice.deleted": "invoice",
    "invoice.finalized": "invoice",
    "invoice.paid": "invoice",
    "invoice.payment_succeeded": "invoice",
    "invoice.payment_failed": "invoice",
    "invoice.voided": "invoice",
    "invoice.marked_uncollectible": "invoice",
    "invoice_payment.paid": "invoice_payment",
    "payment_intent.created": "payment_intent",
    "payment_intent.succeeded": "payment_intent",
    "payment_intent.payment_failed": "payment_intent",
    "payment_intent.canceled": "payment_intent",
    "charge.succeeded": "charge",
    "charge.failed": "charge",
    "charge.updated": "charge",
    "charge.refunded": "charge",
    "charge.refund.updated": "refund",
    "refund.created": "refund",
    "refund.updated": "refund",
    "refund.failed": "refund",
    "charge.dispute.created": "dispute",
    "charge.dispute.updated": "dispute",
    "charge.dispute.closed": "dispute",
    "charge.dispute.funds_withdrawn": "dispute",
    "charge.dispute.funds_reinstated": "dispute",
    "product.created": "product",
    "product.updated": "product",
    "price.created": "price",
    "price.updated": "price",
    "coupon.created": "coupon",
}
EVENT_TYPES = tuple(KIND_OF_TYPE)
_NUMBERS = {name: number for number, name in enumerate(EVENT_TYPES)}


class Event(NamedTuple):
    """A change: when (a tick), of which type, and which object of the type's kind, by serial."""

    tick: int
    type: str
    serial: int

    @property
    def kind(self) -> str:
        """The kind of object it is about."""
        return KIND_OF_TYPE[self.type]


def type_number(name: str) -> int:
    """The number of a type. Raises KeyError for a type the world does not know."""
    return _NUMBERS[name]


def pack(tick: int, type_name: str, serial: int) -> int:
    """One integer for an event; they sort by time."""
    return (tick << _TYPE_BITS | _NUMBERS[type_name]) << _SERIAL_BITS | serial


def unpack(packed: int) -> Event:
    """What `pack` was given."""
    tick, rest = divmod(packed, 1 << _TYPE_BITS + _SERIAL_BITS)
    number, serial = divmod(rest, 1 << _SERIAL_BITS)
    return Event(tick, EVENT_TYPES[number], serial)


def tick_of(packed: int) -> int:
    """The tick of a packed event."""
    return packed >> _TYPE_BITS + _SERIAL_BITS
