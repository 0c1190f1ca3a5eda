"""What was paid in the world, in Stripe's shapes, told without the API: the measure of what a connector has loaded.

Told customer by customer from their lives, without the API's keys, lists, filters and pages. Only how a single thing
looks is shared with it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dataflow_assets.sandbox.core import Core, TruthQuery
from dataflow_assets.sandbox.stripe import ids
from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.shapes import balance, catalogue, invoices, payments, people, subscriptions
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row
from dataflow_assets.sandbox.stripe.showing import Showroom
from dataflow_assets.sandbox.stripe.things import Thing, Things
from dataflow_assets.sandbox.world.commerce import EVENT_DAYS, Commerce, Seller, Timeline
from dataflow_assets.sandbox.world.commerce.catalog import PRODUCT_NAMES
from dataflow_assets.sandbox.world.commerce.events import tick_of, unpack
from dataflow_assets.sandbox.world.commerce.keys import CATALOGUE, event_serial
from dataflow_assets.sandbox.world.commerce.ledger import movements
from dataflow_assets.sandbox.world.commerce.records import STEPS, end_of, instant_of
from dataflow_assets.sandbox.world.customers import DAY_SECONDS

Rows = Iterator[Mapping[str, Any]]


@dataclass(frozen=True)
class Look:
    """Who looks at whose books, and when (a tick)."""

    commerce: Commerce
    seller: Seller
    frame: Frame
    tick: int

    @property
    def instant(self) -> int:
        """The second of the tick."""
        return instant_of(self.tick)

    def lives(self) -> Iterator[Timeline]:
        """The lives of all who pay."""
        return self.commerce.payers(self.seller, self.instant)


def tell(core: Core, commerce: Commerce, embedded_rows: int, stream: str, query: TruthQuery) -> Rows:
    """The full rows of a stream as of now.

    Raises:
        KeyError: there is no such stream or account.
    """
    rows = _STREAMS[stream]
    sellers = commerce.sellers
    if query.account is not None:
        sellers = tuple(seller for seller in sellers if ids.account_id(seller.index) == query.account)
        if not sellers:
            raise KeyError(query.account)
    instant = core.clock.epoch()
    begin, end = _bounds(query.first, query.last)

    def told() -> Rows:
        for seller in sellers:
            look = Look(commerce, seller, _frame(commerce, seller, instant, embedded_rows), end_of(instant))
            for created, row in rows(look, query):
                if begin <= created < end:
                    yield row

    return told()


def _frame(commerce: Commerce, seller: Seller, instant: int, embedded_rows: int) -> Frame:
    redeemed: dict[int, list[int]] = {}

    def count(coupon: int, until: int) -> int:
        if not redeemed:
            redeemed.update({coupon.serial: [] for coupon in seller.coupons})
            for life in commerce.payers(seller, instant):
                if life.discount is not None:
                    redeemed[life.discount.coupon].append(instant_of(life.discount.start))
            for uses in redeemed.values():
                uses.sort()
        return bisect_right(redeemed[coupon], until)

    return Frame(seller, count, embedded_rows)


def _bounds(first: date | None, last: date | None) -> tuple[int, int]:
    begin = _midnight(first) if first else 0
    return begin, _midnight(last + timedelta(days=1)) if last else 1 << 40


def _midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


Told = Iterator[tuple[int, Row]]
"""Rows, each with the instant it counts by."""


def _dated(rows: Iterator[Row]) -> Told:
    return ((row["created"], row) for row in rows)


def _customers(look: Look, query: TruthQuery) -> Told:
    for life in look.lives():
        if life.created > look.tick:
            continue
        created = instant_of(life.created)
        if life.deleted > look.tick:
            yield created, people.customer(look.frame, life, look.tick)
        elif query.deleted:
            yield created, people.customer(look.frame, life, life.deleted - 1) | {"deleted": True}


def _products(look: Look, _: TruthQuery) -> Told:
    return _dated(catalogue.product(look.frame, number, look.tick) for number in range(len(PRODUCT_NAMES)))


def _prices(look: Look, _: TruthQuery) -> Told:
    return _dated(catalogue.price(look.frame, one, look.tick) for one in look.seller.prices)


def _coupons(look: Look, _: TruthQuery) -> Told:
    return _dated(catalogue.coupon(look.frame, one, look.tick) for one in look.seller.coupons)


def _subscriptions(look: Look, _: TruthQuery) -> Told:
    for life in look.lives():
        if life.subscription is not None and life.subscription.created <= look.tick:
            row = subscriptions.subscription(look.frame, life, life.subscription, look.tick)
            yield row["created"], row


def _items(look: Look, _: TruthQuery) -> Told:
    for life in look.lives():
        if life.subscription is not None and life.subscription.created <= look.tick:
            terms = life.subscription.at(look.tick)
            yield from _dated(iter(subscriptions.items(look.frame, life, terms, look.tick)))


def _invoices(look: Look, _: TruthQuery) -> Told:
    for life in look.lives():
        for one in life.invoices:
            if one.created <= look.tick < one.deleted:
                yield instant_of(one.created), invoices.invoice(look.frame, life, one, look.tick)


def _lines(look: Look, _: TruthQuery) -> Told:
    for life in look.lives():
        for one in life.invoices:
            if one.created <= look.tick < one.deleted:
                for row in invoices.lines(look.frame, life, one):
                    yield instant_of(one.created), row


def _invoice_payments(look: Look, _: TruthQuery) -> Told:
    for life in look.lives():
        for one in life.invoices:
            if one.payment is not None and life.payments[one.payment].created <= look.tick:
                row = invoices.invoice_payment(look.frame, life, one, look.tick)
                yield row["created"], row


def _of_list(records: Callable[[Timeline], list[Any]], shape: Callable[[Frame, Timeline, Any, int], Row]) -> "_Stream":
    def rows(look: Look, _: TruthQuery) -> Told:
        for life in look.lives():
            for one in records(life):
                if one.created <= look.tick:
                    yield instant_of(one.created), shape(look.frame, life, one, look.tick)

    return rows


def _movements(look: Look, _: TruthQuery) -> Told:
    for life in look.lives():
        for one in movements(look.seller, life):
            if one.created <= look.tick:
                number = life.customer.number
                yield instant_of(one.created), balance.balance_transaction(look.frame, life, one, number, look.tick)
    for one in look.seller.software_fees(look.instant):
        owner = CATALOGUE + look.seller.index
        yield instant_of(one.created), balance.balance_transaction(look.frame, None, one, owner, look.tick)


def _events(look: Look, _: TruthQuery) -> Told:
    """Of the last days only: what is older, Stripe does not tell any more."""
    room = Showroom(Things(look.commerce, look.seller, look.instant), look.frame)
    oldest = look.tick - EVENT_DAYS * DAY_SECONDS * STEPS
    for life in look.lives():
        yield from _events_of(room, life.customer.number, life, life.events, (oldest, look.tick))
    yield from _events_of(room, CATALOGUE + look.seller.index, None, look.seller.events(), (oldest, look.tick))


def _events_of(room: Showroom, owner: int, life: Timeline | None, events: list[int], span: tuple[int, int]) -> Told:
    oldest, newest = span
    for ordinal, packed in enumerate(events):
        if oldest < tick_of(packed) <= newest:
            event = unpack(packed)
            thing = Thing("event", Place(owner, event_serial(ordinal, packed)), life, event, event.tick)
            yield instant_of(event.tick), room.show(thing, event.tick, "")


_Stream = Callable[[Look, TruthQuery], Told]
_STREAMS: Mapping[str, _Stream] = {
    "customers": _customers,
    "products": _products,
    "prices": _prices,
    "coupons": _coupons,
    "subscriptions": _subscriptions,
    "subscription_items": _items,
    "invoices": _invoices,
    "invoice_lines": _lines,
    "invoice_payments": _invoice_payments,
    "payment_intents": _of_list(lambda life: life.payments, payments.payment_intent),
    "charges": _of_list(lambda life: life.charges, payments.charge),
    "refunds": _of_list(lambda life: life.refunds, payments.refund),
    "disputes": _of_list(lambda life: life.disputes, payments.dispute),
    "balance_transactions": _movements,
    "events": _events,
}
STREAMS = frozenset(_STREAMS)
