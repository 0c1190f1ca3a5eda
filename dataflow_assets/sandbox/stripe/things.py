"""Things of an account: found by kind and place, with the span of ticks in which they exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.shapes.invoices import LINES_PER_INVOICE
from dataflow_assets.sandbox.world.commerce import EVENT_DAYS, Commerce, Seller, Timeline
from dataflow_assets.sandbox.world.commerce.catalog import PRODUCT_NAMES
from dataflow_assets.sandbox.world.commerce.events import EVENT_TYPES, unpack
from dataflow_assets.sandbox.world.commerce.keys import CATALOGUE, read_event_serial, read_movement_serial
from dataflow_assets.sandbox.world.commerce.ledger import movement
from dataflow_assets.sandbox.world.commerce.records import NEVER, STEPS, Source, Subscription
from dataflow_assets.sandbox.world.customers import DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing and the ticks [since, until) in which it exists. What belongs to the account itself has no timeline."""

    kind: str
    place: Place
    timeline: Timeline | None
    record: Any
    since: int
    until: int = NEVER

    def exists(self, tick: int) -> bool:
        """Whether it exists at a tick."""
        return self.since <= tick < self.until

    @property
    def life(self) -> Timeline:
        """The life of the customer it belongs to; there must be one."""
        if self.timeline is None:
            raise LookupError(f"A {self.kind} of the account itself belongs to no customer.")
        return self.timeline


class Things:
    """The things of one account, for somebody who looks at an instant."""

    def __init__(self, commerce: Commerce, seller: Seller, instant: int) -> None:
        self.commerce = commerce
        self.seller = seller
        self.instant = instant

    def find(self, kind: str, place: Place) -> Thing | None:
        """What is, was or within weeks will be there; None when there never is anything."""
        if place.owner >= CATALOGUE:
            finder = _OF_ACCOUNT.get(kind)
            return finder(self, place) if finder and place.owner == CATALOGUE + self.seller.index else None
        timeline = self.commerce.timeline(place.owner, self.instant)
        find = _OF_CUSTOMER.get(kind)
        if timeline is None or find is None or timeline.seller != self.seller.index:
            return None
        return find(self, timeline, place)


def _record(kind: str, records: Callable[[Timeline], list[Any]]) -> "_Finder":
    def find(_: Things, timeline: Timeline, place: Place) -> Thing | None:
        of_kind = records(timeline)
        if place.serial >= len(of_kind):
            return None
        record = of_kind[place.serial]
        return Thing(kind, place, timeline, record, record.created, getattr(record, "deleted", NEVER))

    return find


def _customer(_: Things, timeline: Timeline, place: Place) -> Thing | None:
    if place.serial:
        return None
    return Thing("customer", place, timeline, timeline, timeline.created, timeline.deleted)


def _subscription(_: Things, timeline: Timeline, place: Place) -> Thing | None:
    found = timeline.subscription
    return None if found is None or place.serial else Thing("subscription", place, timeline, found, found.created)


def _subscription_item(_: Things, timeline: Timeline, place: Place) -> Thing | None:
    found = timeline.subscription
    span = None if found is None else item_span(found, place.serial)
    return None if span is None else Thing("subscription_item", place, timeline, found, *span)


def item_span(subscription: Subscription, serial: int) -> tuple[int, int] | None:
    """The ticks in which a subscription has an item; None when it never has."""
    having = [any(item.serial == serial for item in terms.items) for terms in subscription.terms]
    if True not in having:
        return None
    first = having.index(True)
    gone = having.index(False, first) if False in having[first:] else None
    return subscription.terms[first].tick, NEVER if gone is None else subscription.terms[gone].tick


def _discount(_: Things, timeline: Timeline, place: Place) -> Thing | None:
    found = timeline.discount
    return None if found is None or place.serial else Thing("discount", place, timeline, found, found.start)


def _line_item(_: Things, timeline: Timeline, place: Place) -> Thing | None:
    number, at = divmod(place.serial, LINES_PER_INVOICE)
    if number >= len(timeline.invoices) or at >= len(timeline.invoices[number].lines):
        return None
    invoice = timeline.invoices[number]
    return Thing("line_item", place, timeline, (invoice, at), invoice.created, invoice.deleted)


def _invoice_payment(_: Things, timeline: Timeline, place: Place) -> Thing | None:
    if place.serial >= len(timeline.invoices):
        return None
    invoice = timeline.invoices[place.serial]
    if invoice.payment is None:
        return None
    return Thing("invoice_payment", place, timeline, invoice, timeline.payments[invoice.payment].created)


def _movement(things: Things, timeline: Timeline, place: Place) -> Thing | None:
    source = read_movement_serial(place.serial)
    found = movement(things.seller, timeline, *source) if source else None
    return None if found is None else Thing("balance_transaction", place, timeline, found, found.created)


def _event(things: Things, timeline: Timeline | None, place: Place) -> Thing | None:
    ordinal, number = read_event_serial(place.serial)
    events = things.seller.events() if timeline is None else timeline.events
    if ordinal >= len(events) or number >= len(EVENT_TYPES):
        return None
    event = unpack(events[ordinal])
    if event.type != EVENT_TYPES[number]:
        return None
    return Thing("event", place, timeline, event, event.tick, event.tick + EVENT_DAYS * DAY_SECONDS * STEPS)


def _product(things: Things, place: Place) -> Thing | None:
    if place.serial >= len(PRODUCT_NAMES):
        return None
    return Thing("product", place, None, place.serial, things.seller.product_created(place.serial))


def _price(things: Things, place: Place) -> Thing | None:
    if place.serial >= len(things.seller.prices):
        return None
    return Thing("price", place, None, things.seller.prices[place.serial], things.seller.price_created(place.serial))


def _coupon(things: Things, place: Place) -> Thing | None:
    if place.serial >= len(things.seller.coupons):
        return None
    return Thing("coupon", place, None, things.seller.coupons[place.serial], things.seller.coupon_created(place.serial))


def _fee(things: Things, place: Place) -> Thing | None:
    source = read_movement_serial(place.serial)
    if source is None or source[0] is not Source.FEE:
        return None
    fees = things.seller.software_fees(things.instant)
    found = next((fee for fee in fees if fee.serial == source[1]), None)
    return None if found is None else Thing("balance_transaction", place, None, found, found.created)


_Finder = Callable[[Things, Timeline, Place], Thing | None]
_OF_CUSTOMER: Mapping[str, _Finder] = {
    "customer": _customer,
    "subscription": _subscription,
    "subscription_item": _subscription_item,
    "discount": _discount,
    "invoice": _record("invoice", lambda timeline: timeline.invoices),
    "line_item": _line_item,
    "invoice_payment": _invoice_payment,
    "payment_intent": _record("payment_intent", lambda timeline: timeline.payments),
    "charge": _record("charge", lambda timeline: timeline.charges),
    "refund": _record("refund", lambda timeline: timeline.refunds),
    "dispute": _record("dispute", lambda timeline: timeline.disputes),
    "balance_transaction": _movement,
    "event": _event,
}
_OF_ACCOUNT: Mapping[str, Callable[[Things, Place], Thing | None]] = {
    "product": _product,
    "price": _price,
    "coupon": _coupon,
    "balance_transaction": _fee,
    "event": lambda things, place: _event(things, None, place),
}
