"""The addresses of the API: which there are, and what is done there."""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from dataflow_assets.sandbox.stripe.errors import (
    invalid,
    missing_parameter,
    not_reproduced,
    unknown_parameter,
    unknown_path,
)
from dataflow_assets.sandbox.stripe.expand import Expander
from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.limits import Limits
from dataflow_assets.sandbox.stripe.listing import PAGE_PARAMS, Cut, find_thing, missing, page_of_rows, page_of_table
from dataflow_assets.sandbox.stripe.requests import Call
from dataflow_assets.sandbox.stripe.shapes.frame import Row, page
from dataflow_assets.sandbox.stripe.shapes.invoices import LINES_PER_INVOICE
from dataflow_assets.sandbox.stripe.shapes.people import account, deleted_customer
from dataflow_assets.sandbox.stripe.showing import Showroom
from dataflow_assets.sandbox.stripe.spoiling import DUPLICATE_ROWS, spoil
from dataflow_assets.sandbox.stripe.tables import TABLES
from dataflow_assets.sandbox.stripe.things import Thing
from dataflow_assets.sandbox.stripe.versions import OLD
from dataflow_assets.sandbox.world.commerce.records import end_of

ACCOUNT = "account"
SUBSCRIPTION_ITEMS = "subscription_items"
INVOICE_LINES = "invoice_lines"
# What can be read one by one, by the folder of its list.
_ONE = {folder: table.kind for folder, table in TABLES.items()} | {SUBSCRIPTION_ITEMS: "subscription_item"}
_NEWER_FOLDERS = frozenset({"invoice_payments"})  # unknown to version 2024-06-20

LISTS = frozenset({*TABLES, SUBSCRIPTION_ITEMS, INVOICE_LINES})
ENDPOINTS = frozenset({ACCOUNT, *LISTS, *_ONE.values()})


@dataclass(frozen=True)
class Visit:
    """A call on its way: who looks (through whose room), when, in which version, and what strikes the page."""

    room: Showroom
    call: Call
    version: str
    limits: Limits
    faults: Container[str] = ()

    @property
    def tick(self) -> int:
        """The present."""
        return end_of(self.room.things.instant)

    def show(self, thing: Thing) -> Row:
        """A thing as it is now."""
        return self.room.show(thing, self.tick, self.version)


Serve = Callable[[Visit], Row]


def find(call: Call, version: str) -> tuple[str, Serve]:
    """The endpoint a call is for, and what it does.

    Raises:
        StripeError: 404 for an unknown address, 400 for what is not reproduced.
    """
    match call.path:
        case ("v1", "account"):
            endpoint, serve = ACCOUNT, _account
        case ("v1", folder) if folder in TABLES or folder == SUBSCRIPTION_ITEMS:
            endpoint, serve = folder, _items if folder == SUBSCRIPTION_ITEMS else _table
        case ("v1", folder, "search") if folder in _ONE:
            raise not_reproduced("the search API")
        case ("v1", folder, _) if folder in _ONE:
            endpoint, serve = _ONE[folder], _single
        case ("v1", "invoices", _, "lines"):
            endpoint, serve = INVOICE_LINES, _lines
        case _:
            raise unknown_path(call.method, call.url)
    if call.path[1] in _NEWER_FOLDERS and version == OLD:
        raise unknown_path(call.method, call.url)
    if call.method != "GET":
        raise not_reproduced("writing")
    return endpoint, serve


def _account(visit: Visit) -> Row:
    _check(visit.call, frozenset({"expand"}))
    row = account(visit.room.frame)
    _expander(visit).expand(row, visit.call.texts("expand"))
    return row


def _single(visit: Visit) -> Row:
    _check(visit.call, frozenset({"expand"}))
    _, folder, text = visit.call.path
    kind = _ONE[folder]
    thing = find_thing(visit.room, kind, text)
    if thing is None or thing.since > visit.tick:
        raise missing(kind, text)
    if not thing.exists(visit.tick):
        if kind == "customer":
            return deleted_customer(visit.room.frame, thing.life)
        raise missing(kind, text)
    row = visit.show(thing)
    _expander(visit).expand(row, visit.call.texts("expand"))
    return row


def _table(visit: Visit) -> Row:
    call = visit.call
    table = TABLES[call.path[1]]
    _check(call, PAGE_PARAMS | {"created"} | table.params, table.refused)
    cut = Cut.of(call, visit.limits.most_rows, again=DUPLICATE_ROWS in visit.faults)
    found, more = page_of_table(visit.room, table, call, cut, visit.tick)
    return _page(visit, [visit.show(thing) for thing in found], more=more)


def _items(visit: Visit) -> Row:
    _check(visit.call, PAGE_PARAMS | {"subscription"})
    text = visit.call.text("subscription")
    if text is None:
        raise missing_parameter("subscription")
    thing = _present(visit, "subscription", text)
    serials = [item.serial for item in reversed(thing.record.at(visit.tick).items)]
    return _parts(visit, thing, "subscription_item", serials)


def _lines(visit: Visit) -> Row:
    _check(visit.call, PAGE_PARAMS)
    thing = _present(visit, "invoice", visit.call.path[2])
    first = thing.place.serial * LINES_PER_INVOICE
    return _parts(visit, thing, "line_item", range(first, first + len(thing.record.lines)))


def _present(visit: Visit, kind: str, text: str) -> Thing:
    thing = find_thing(visit.room, kind, text)
    if thing is None or not thing.exists(visit.tick):
        raise missing(kind, text)
    return thing


def _parts(visit: Visit, whole: Thing, kind: str, serials: Iterable[int]) -> Row:
    """A page of the parts of a thing."""
    parts = (visit.room.things.find(kind, Place(whole.place.owner, serial)) for serial in serials)
    rows = [visit.show(part) for part in parts if part is not None]
    cut = Cut.of(visit.call, visit.limits.most_rows, again=DUPLICATE_ROWS in visit.faults)
    shown, more = page_of_rows(rows, kind, cut)
    return _page(visit, shown, more=more)


def _page(visit: Visit, rows: list[Row], *, more: bool) -> Row:
    answer = page(rows, visit.call.url, has_more=more)
    paths = visit.call.texts("expand")
    for path in paths:
        if not path.startswith("data."):
            raise invalid(f"This property cannot be expanded ({path}); in a list it begins with `data`.", "expand")
    _expander(visit).expand(answer, paths)
    return spoil(answer, visit.faults)


def _expander(visit: Visit) -> Expander:
    return Expander(visit.room, visit.tick, visit.version)


def _check(call: Call, known: frozenset[str], refused: frozenset[str] = frozenset()) -> None:
    """Refuse parameters that would have no effect here."""
    for name in call.params:
        if name in refused:
            raise not_reproduced(f"the parameter {name}", name)
        if name not in known:
            raise unknown_parameter(name)
