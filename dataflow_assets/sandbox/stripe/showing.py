"""Shows any thing at any tick, in either version of the API; and events, which keep the version of their day."""

from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.legacy import as_of_old
from dataflow_assets.sandbox.stripe.shapes import balance, catalogue, invoices, payments, people, subscriptions
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row
from dataflow_assets.sandbox.stripe.things import Thing, Things
from dataflow_assets.sandbox.stripe.versions import CURRENT, default_version
from dataflow_assets.sandbox.world.chance import between, draws
from dataflow_assets.sandbox.world.commerce import Seller
from dataflow_assets.sandbox.world.commerce.events import Event
from dataflow_assets.sandbox.world.commerce.records import instant_of

_GONE = frozenset({"customer.deleted", "invoice.deleted"})  # their events show what there was
_LOST_PER_MILLE = 20


class Showroom:
    """Where an account's things are looked at."""

    def __init__(self, things: Things, frame: Frame) -> None:
        self.things = things
        self.frame = frame

    def show(self, thing: Thing, tick: int, version: str) -> Row:
        """A thing as it was at a tick; an event always in the version of its own day."""
        if thing.kind == "event":
            return self._event(thing)
        row = _SHAPES[thing.kind](self.frame, thing, tick)
        return row if version == CURRENT else as_of_old(self.frame, thing, row, tick)

    def _event(self, thing: Thing) -> Row:
        event: Event = thing.record
        created = instant_of(event.tick)
        version = default_version(self.frame.seller, created)
        subject = self.things.find(event.kind, Place(thing.place.owner, event.serial))
        if subject is None:
            raise LookupError(f"The event {event} is about nothing.")
        tick = event.tick - 1 if event.type in _GONE else event.tick
        data: Row = {"object": self.show(subject, tick, version)}
        if event.type.endswith(".updated") or event.type == "charge.refunded":
            data["previous_attributes"] = _difference(self.show(subject, tick - 1, version), data["object"])
        return {
            "id": self.frame.id("event", *thing.place),
            "object": "event",
            "api_version": version,
            "created": created,
            "data": data,
            "livemode": False,
            "pending_webhooks": 0 if is_delivered(self.frame.seller, thing.place) else 1,
            "request": {"id": None, "idempotency_key": None},
            "type": event.type,
        }


def is_delivered(seller: Seller, event: Place) -> bool:
    """Whether an event reached the webhooks; a few never do."""
    lot, *_ = draws(seller.salt, event.owner << 24 | event.serial)
    return between(lot, 0, 999) >= _LOST_PER_MILLE


def _difference(before: Row, after: Row) -> Row:
    """What was different before: of maps only what changed in them, of lists the whole."""
    changed: Row = {}
    for name, new in after.items():
        old = before.get(name)
        if old != new:
            changed[name] = _difference(old, new) if isinstance(old, dict) and isinstance(new, dict) else old
    return changed


_Shape = Callable[[Frame, Thing, int], Row]
_SHAPES: Mapping[str, _Shape] = {
    "customer": lambda frame, thing, tick: people.customer(frame, thing.life, tick),
    "product": lambda frame, thing, tick: catalogue.product(frame, thing.record, tick),
    "price": lambda frame, thing, tick: catalogue.price(frame, thing.record, tick),
    "coupon": lambda frame, thing, tick: catalogue.coupon(frame, thing.record, tick),
    "subscription": lambda frame, thing, tick: subscriptions.subscription(frame, thing.life, thing.record, tick),
    "subscription_item": lambda frame, thing, tick: subscriptions.item_of(frame, thing.life, thing.place.serial, tick),
    "discount": lambda frame, thing, _: subscriptions.discount(frame, thing.life, thing.record),
    "invoice": lambda frame, thing, tick: invoices.invoice(frame, thing.life, thing.record, tick),
    "line_item": lambda frame, thing, _: invoices.line(frame, thing.life, *thing.record),
    "invoice_payment": lambda frame, thing, tick: invoices.invoice_payment(frame, thing.life, thing.record, tick),
    "payment_intent": lambda frame, thing, tick: payments.payment_intent(frame, thing.life, thing.record, tick),
    "charge": lambda frame, thing, tick: payments.charge(frame, thing.life, thing.record, tick),
    "refund": lambda frame, thing, tick: payments.refund(frame, thing.life, thing.record, tick),
    "dispute": lambda frame, thing, tick: payments.dispute(frame, thing.life, thing.record, tick),
    "balance_transaction": lambda frame, thing, tick: balance.balance_transaction(
        frame, thing.timeline, thing.record, thing.place.owner, tick
    ),
}
