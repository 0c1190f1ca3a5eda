"""The lists of the API: what each lists, and how it can be narrowed. apis/stripe.md, section 2."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from dataflow_assets.sandbox.stripe.errors import invalid, unknown_parameter
from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.requests import Call
from dataflow_assets.sandbox.stripe.shapes.frame import Row
from dataflow_assets.sandbox.stripe.showing import Showroom, is_delivered
from dataflow_assets.sandbox.stripe.things import Thing
from dataflow_assets.sandbox.stripe.versions import CURRENT
from dataflow_assets.sandbox.world.commerce.events import EVENT_TYPES
from dataflow_assets.sandbox.world.commerce.keys import read_event_serial

_MOST_TYPES = 20
_STATUSES = (
    "active",
    "all",
    "canceled",
    "ended",
    "incomplete",
    "incomplete_expired",
    "past_due",
    "paused",
    "trialing",
    "unpaid",
)


@dataclass
class Candidate:
    """A place whose thing a list may show; the thing is looked for, and its row made, only when a test asks."""

    room: Showroom
    kind: str
    place: Place
    tick: int

    @cached_property
    def thing(self) -> Thing | None:
        """What is there."""
        return self.room.things.find(self.kind, self.place)

    @cached_property
    def row(self) -> Row:
        """Its row in the current version. There must be a thing."""
        if self.thing is None:
            raise LookupError(f"There is no {self.kind} at {self.place}.")
        return self.room.show(self.thing, self.tick, CURRENT)

    @property
    def exists(self) -> bool:
        """Whether there is a thing, now."""
        return self.thing is not None and self.thing.exists(self.tick)


Test = Callable[[Candidate], bool]
Narrowing = Callable[[Call, str], Test | None]


@dataclass(frozen=True)
class Table:
    """A list. `scopes` are parameters that hold the id of something a customer has, by the kinds it can be.

    `early` narrowings need to know no more than the place; `narrowings` look at the thing. `refused` are parameters
    that Stripe has and the sandbox has not.
    """

    kind: str
    scopes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    early: Mapping[str, Narrowing] = field(default_factory=dict)
    narrowings: Mapping[str, Narrowing] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    @property
    def params(self) -> frozenset[str]:
        """Every parameter that narrows it."""
        return frozenset({*self.scopes, *self.early, *self.narrowings})


def tests(call: Call, narrowings: Mapping[str, Narrowing]) -> list[Test]:
    """What a row must pass. Raises StripeError 400 for values that make no sense."""
    made = (narrow(call, name) for name, narrow in narrowings.items())
    return [test for test in made if test is not None]


def _text(call: Call, name: str) -> Test | None:
    wanted = call.text(name)
    return None if wanted is None else lambda one: one.row[name] == wanted


def _word(*known: str) -> Narrowing:
    def narrow(call: Call, name: str) -> Test | None:
        wanted = call.text(name)
        if wanted is None:
            return None
        if wanted not in known:
            raise invalid(f"Invalid {name}: must be one of {', '.join(known)}", name)
        return lambda one: one.row[name] == wanted

    return narrow


def _flag(call: Call, name: str) -> Test | None:
    wanted = call.flag(name)
    return None if wanted is None else lambda one: one.row[name] is wanted


def _any_of(field_name: str) -> Narrowing:
    def narrow(call: Call, name: str) -> Test | None:
        wanted = call.texts(name)
        return (lambda one: one.row[field_name] in wanted) if wanted else None

    return narrow


def _within(call: Call, name: str) -> Test | None:
    span = call.span(name)
    if span is None:
        return None
    begin, end = span
    return lambda one: one.row[name] is not None and begin <= one.row[name] < end


def _item_period(field_name: str) -> Narrowing:
    def narrow(call: Call, name: str) -> Test | None:
        span = call.span(name)
        if span is None:
            return None
        begin, end = span
        return lambda one: any(begin <= item[field_name] < end for item in one.row["items"]["data"])

    return narrow


def _item_price(call: Call, name: str) -> Test | None:
    wanted = call.text(name)
    return None if wanted is None else lambda one: any(item["price"]["id"] == wanted for item in _items(one))


def _items(one: Candidate) -> Iterable[Row]:
    data: list[Row] = one.row["items"]["data"]
    return data


def _inside(call: Call, name: str) -> Test | None:
    """A parameter with fields of its own: each must be as in the map of that name in the row."""
    wanted = call.params.get(name)
    if wanted is None:
        return None
    if not isinstance(wanted, dict):
        raise invalid("Invalid object", name)
    if unknown := wanted.keys() - _INSIDE[name]:
        raise unknown_parameter(f"{name}[{min(unknown)}]")
    return lambda one: one.row[name] is not None and all(one.row[name].get(key) == text for key, text in wanted.items())


_INSIDE: Mapping[str, frozenset[str]] = {
    "recurring": frozenset({"interval", "meter", "usage_type"}),
    "payment": frozenset({"payment_intent", "type"}),
}


def _status(call: Call, name: str) -> Test | None:
    """Without a word, canceled subscriptions are hidden."""
    wanted = call.text(name)
    if wanted is not None and wanted not in _STATUSES:
        raise invalid(f"Invalid status: must be one of {', '.join(_STATUSES)}", name)
    if wanted == "all":
        return None

    def test(one: Candidate) -> bool:
        status = one.thing.record.at(one.tick).status if one.thing else None
        if wanted is None:
            return status != "canceled"
        if wanted == "ended":
            return status in {"canceled", "incomplete_expired"}
        return status == wanted

    return test


def _types(call: Call, _: str) -> Test | None:
    """`type` (with a star at its end) or `types`, not both."""
    one_type, types = call.text("type"), call.texts("types")
    if one_type is not None and types:
        raise invalid("You may only specify one of these parameters: type, types.", "type")
    if len(types) > _MOST_TYPES:
        raise invalid(f"You may pass at most {_MOST_TYPES} types.", "types")
    if one_type is None and not types:
        return None
    if one_type is not None and one_type.endswith("*"):
        begin = one_type[:-1]
        wanted = {number for number, name in enumerate(EVENT_TYPES) if name.startswith(begin)}
    else:
        names = types or (one_type,)
        wanted = {number for number, name in enumerate(EVENT_TYPES) if name in names}
    return lambda one: read_event_serial(one.place.serial)[1] in wanted


def _delivery(call: Call, name: str) -> Test | None:
    wanted = call.flag(name)
    return None if wanted is None else lambda one: is_delivered(one.room.frame.seller, one.place) is wanted


_CUSTOMER = {"customer": ("customer",)}
_PAYMENT = {"charge": ("charge",), "payment_intent": ("payment_intent",)}

TABLES: Mapping[str, Table] = {
    "customers": Table("customer", narrowings={"email": _text}, refused=frozenset({"test_clock"})),
    "products": Table(
        "product", narrowings={"active": _flag, "ids": _any_of("id"), "shippable": _flag, "type": _text, "url": _text}
    ),
    "prices": Table(
        "price",
        narrowings={
            "active": _flag,
            "currency": _text,
            "lookup_keys": _any_of("lookup_key"),
            "product": _text,
            "recurring": _inside,
            "type": _word("one_time", "recurring"),
        },
    ),
    "coupons": Table("coupon"),
    "subscriptions": Table(
        "subscription",
        scopes=_CUSTOMER,
        narrowings={
            "status": _status,
            "price": _item_price,
            "plan": _item_price,
            "collection_method": _word("charge_automatically", "send_invoice"),
            "current_period_start": _item_period("current_period_start"),
            "current_period_end": _item_period("current_period_end"),
        },
        refused=frozenset({"automatic_tax", "customer_account", "test_clock"}),
    ),
    "invoices": Table(
        "invoice",
        scopes={**_CUSTOMER, "subscription": ("subscription",)},
        narrowings={
            "status": _word("draft", "open", "paid", "uncollectible", "void"),
            "collection_method": _word("charge_automatically", "send_invoice"),
            "due_date": _within,
        },
        refused=frozenset({"customer_account"}),
    ),
    "invoice_payments": Table(
        "invoice_payment",
        scopes={"invoice": ("invoice",)},
        narrowings={"status": _word("canceled", "open", "paid"), "payment": _inside},
    ),
    "charges": Table(
        "charge",
        scopes={**_CUSTOMER, "payment_intent": ("payment_intent",)},
        narrowings={"transfer_group": _text},
    ),
    "payment_intents": Table("payment_intent", scopes=_CUSTOMER, refused=frozenset({"customer_account"})),
    "refunds": Table("refund", scopes=_PAYMENT),
    "disputes": Table("dispute", scopes=_PAYMENT),
    "balance_transactions": Table(
        "balance_transaction",
        scopes={"source": ("charge", "refund", "dispute")},
        narrowings={"currency": _text, "type": _text},
        refused=frozenset({"payout"}),
    ),
    "events": Table("event", early={"type": _types, "types": lambda *_: None, "delivery_success": _delivery}),
}
