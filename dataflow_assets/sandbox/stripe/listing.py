"""Pages of lists: newest first, cut by `created`, walked by the id of the last or first row seen."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from dataflow_assets.sandbox.stripe import ids
from dataflow_assets.sandbox.stripe.errors import StripeError, bad_integer, invalid, no_such
from dataflow_assets.sandbox.stripe.ids import Place
from dataflow_assets.sandbox.stripe.requests import Call
from dataflow_assets.sandbox.stripe.shapes.frame import Row
from dataflow_assets.sandbox.stripe.showing import Showroom
from dataflow_assets.sandbox.stripe.tables import Candidate, Table, Test, tests
from dataflow_assets.sandbox.stripe.things import Thing
from dataflow_assets.sandbox.world.commerce.keys import customer_keys, first_key, read_key, write_key
from dataflow_assets.sandbox.world.commerce.records import instant_of

PAGE_PARAMS = frozenset({"limit", "starting_after", "ending_before", "expand"})
_DEFAULT_LIMIT = 10


@dataclass(frozen=True)
class Cut:
    """Which part of a list is asked for. `again` repeats the row the page should begin after."""

    limit: int
    after: str | None
    before: str | None
    again: bool = False

    @classmethod
    def of(cls, call: Call, most: int, *, again: bool = False) -> "Cut":
        """What a call asks for. Raises StripeError 400 for a limit out of range, or two cursors."""
        limit = call.integer("limit")
        limit = _DEFAULT_LIMIT if limit is None else limit
        if not 1 <= limit <= most:
            raise bad_integer("limit", limit)
        after, before = call.text("starting_after"), call.text("ending_before")
        if after is not None and before is not None:
            raise invalid("You may only specify one of these parameters: ending_before, starting_after.")
        return cls(limit, after, before, again)


def page_of_table(room: Showroom, table: Table, call: Call, cut: Cut, tick: int) -> tuple[list[Thing], bool]:
    """The things of one page, newest first, and whether there are more in the direction asked for.

    Raises:
        StripeError: 400 for values that make no sense, and for a cursor or scope that does not exist.
    """
    early, late = tests(call, table.early), tests(call, table.narrowings)
    keys, scoped = _keys(room, table, call, tick)
    late += scoped
    begin, end = call.span("created") or (0, instant_of(tick) + 1)
    low = bisect_left(keys, first_key(begin))
    high = bisect_left(keys, first_key(min(end, instant_of(tick) + 1)))
    if cut.after is not None:
        find = bisect_right if cut.again else bisect_left
        high = min(high, find(keys, _cursor(room, table.kind, cut.after, "starting_after", tick)))
    if cut.before is not None:
        low = max(low, bisect_right(keys, _cursor(room, table.kind, cut.before, "ending_before", tick)))
    order = range(low, high) if cut.before is not None else range(high - 1, low - 1, -1)
    found = list(islice(_passing(room, table.kind, (keys[at] for at in order), (early, late), tick), cut.limit + 1))
    shown = found[: cut.limit]
    if cut.before is not None:
        shown.reverse()
    return shown, len(found) > cut.limit


def page_of_rows(rows: Sequence[Row], kind: str, cut: Cut) -> tuple[list[Row], bool]:
    """The same for a short list whose rows are all at hand. Raises StripeError 400 for an unknown cursor."""
    low, high = 0, len(rows)
    numbers = [row["id"] for row in rows]
    if cut.after is not None:
        low = _position(numbers, cut.after, kind, "starting_after") + (0 if cut.again else 1)
    if cut.before is not None:
        high = _position(numbers, cut.before, kind, "ending_before")
        low = max(low, high - cut.limit)
        return list(rows[low:high]), low > 0
    return list(rows[low : low + cut.limit]), low + cut.limit < high


def _position(numbers: list[str], text: str, kind: str, param: str) -> int:
    if text not in numbers:
        raise no_such(_spoken(kind), text, param, status=400)
    return numbers.index(text)


def _cursor(room: Showroom, kind: str, text: str, param: str, tick: int) -> int:
    """The key of the row a cursor names."""
    thing = find_thing(room, kind, text)
    if thing is None or not thing.exists(tick):
        raise no_such(_spoken(kind), text, param, status=400)
    return write_key(instant_of(thing.since), *thing.place)


def find_thing(room: Showroom, kind: str, text: str) -> Thing | None:
    """The thing with an id, whether it exists or not; None when there never is one."""
    place = ids.read(kind, room.frame.seller.index, text)
    return room.things.find(kind, place) if place else None


def _keys(room: Showroom, table: Table, call: Call, tick: int) -> tuple[Sequence[int], list[Test]]:
    """The keys to look through: all of the account's, or one customer's; and what the scopes ask of a row."""
    things = room.things
    owners: set[int] = set()
    asked: list[Test] = []
    for param, kinds in table.scopes.items():
        text = call.text(param)
        if text is None:
            continue
        found = next((thing for kind in kinds if (thing := find_thing(room, kind, text))), None)
        if found is None or found.since > tick:
            raise no_such(_spoken(kinds[0]), text, param, status=400)
        owners.add(found.place.owner)
        asked.append(_belongs(param, text))
    if not owners:
        return things.commerce.keys(things.seller, things.instant)[table.kind], []
    if len(owners) > 1:
        return [], asked
    timeline = things.commerce.timeline(owners.pop(), things.instant)
    if timeline is None:
        return [], asked
    return sorted(key for kind, key in customer_keys(things.seller, timeline) if kind == table.kind), asked


def _belongs(param: str, text: str) -> Test:
    if param == "subscription":
        return lambda one: one.row["parent"] is not None
    return lambda one: one.row[param] == text


def _passing(
    room: Showroom, kind: str, keys: Iterator[int], asked: tuple[list[Test], list[Test]], tick: int
) -> Iterator[Thing]:
    early, late = asked
    for key in keys:
        _, owner, serial = read_key(key)
        one = Candidate(room, kind, Place(owner, serial), tick)
        if all(test(one) for test in early) and one.exists and all(test(one) for test in late) and one.thing:
            yield one.thing


def _spoken(kind: str) -> str:
    """A kind as Stripe's messages call it."""
    return kind.replace("_", " ")


def missing(kind: str, text: str) -> StripeError:
    """404 for an id in a path."""
    return no_such(_spoken(kind), text)
