"""What the declarations of Stripe's streams are made of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.records import Column, flag, instant, nested, text

PAGE_SIZE = 100  # the most Stripe gives


@dataclass(frozen=True)
class Feed:
    """Types of events (20 at most) that tell of a change, and where each kind of object names what has changed."""

    types: tuple[str, ...]
    subject: Mapping[str, str]


@dataclass(frozen=True)
class Inside:
    """Records that belong to another one: the list it shows the first ten in ("" for none), and where all are."""

    shown_in: str
    all_of: Callable[[str], tuple[str, Mapping[str, str]]]  # path and parameters, for the id of the other one
    owner: str  # the field that holds that id


def id_of(reference: str | dict[str, Any]) -> str | None:
    """The id of a reference, which Stripe writes as an id or, when asked to, as the whole object."""
    return (reference if isinstance(reference, str) else str(reference["id"])) or None


def ref(name: str, description: str, **options: Any) -> Column:
    """A reference to another record, kept as its id."""
    return text(name, description, wire=str | dict[str, Any], parse=id_of, example="xx_1", **options)


def step(name: str, description: str) -> Column:
    """One of the moments in `status_transitions`."""
    return instant(name, description, path=f"status_transitions.{name}")


def words(names: str, *, below: str = "") -> tuple[str, ...]:
    """Names between spaces; `below` goes before each, with a dot."""
    return tuple(f"{below}.{name}" if below else name for name in names.split())


def rest_of_address(below: str) -> tuple[str, ...]:
    """What is not kept of an address: all but the country."""
    return words("city line1 line2 postal_code state", below=below)


ID = text("id", "Id given by Stripe, or by the account for a coupon.", required=True)
CREATED = instant("created", "When it was created.", required=True)
CURRENCY = text("currency", "ISO 4217 currency of the amounts, lower case.", required=True)
METADATA = nested("metadata", "The account's own keys and texts.")
LIVE = flag("livemode", "False: made with a test key.")
TEST_CLOCK = ref("test_clock", "Test clock it belongs to; its times may lie in the future.")
DELETED = flag("deleted", "Deleted at Stripe, as an event told.", default=False)
UPDATED_AT = instant("updated_at", "Time of the event that brought the row; null when a listing did.")
CUSTOMER = ref("customer", "Customer.")
PAYMENT_INTENT = ref("payment_intent", "Payment intent.")
DISCOUNT = nested("discount", "The one discount, as versions before basil show it.")
DISCOUNTS = nested("discounts", "Discounts, a list of ids or objects.")

LINGER = timedelta(minutes=10)  # events that come late, and those of the second it was read in
WEEKLY, DAILY = timedelta(days=6, hours=20), timedelta(hours=20)  # even when a schedule is a little early
FEED_REACHES = timedelta(days=29)  # Stripe promises 30


def entity(
    name: str,
    description: str,
    columns: tuple[Column, ...],
    ignored: tuple[str, ...],
    *,
    types: tuple[str, ...],
    subject: Mapping[str, str],
    endpoint: str = "",
    query: Mapping[str, str] | None = None,
    expand: tuple[str, ...] = (),
    inside: Inside | None = None,
    event_days: tuple[str, ...] = (),
    sweep_every: timedelta = WEEKLY,
) -> Stream:
    """Records whose changes the feed of events tells. `query` goes with every listing.

    `expand` names fields that hold ids unless whole objects are asked for.
    """
    return Stream(
        name=name,
        description=description,
        kind=Kind.ENTITY,
        endpoint=endpoint or name,
        params={"query": query or {}, "expand": expand, "feed": Feed(types, subject), "inside": inside},
        columns=(ID, *columns, UPDATED_AT),
        ignored=("object", *ignored),
        key=("id",),
        page_size=PAGE_SIZE,
        cursor="updated_at",
        overlap=LINGER,
        sweep_every=sweep_every,
        feed_reaches=FEED_REACHES,
        event_days=event_days,
        by_day=True,
    )
