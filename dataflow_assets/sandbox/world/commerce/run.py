"""A life while it is being lived: what is due next, and what has been written down so far."""

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import Any

from dataflow_assets.sandbox.world.accounts import Market
from dataflow_assets.sandbox.world.commerce.catalog import Seller
from dataflow_assets.sandbox.world.commerce.events import pack
from dataflow_assets.sandbox.world.commerce.records import NEVER, STEPS, Line, Subscription, Terms, Timeline
from dataflow_assets.sandbox.world.commerce.story import Fate, build_story
from dataflow_assets.sandbox.world.customers import Customer

Action = Callable[..., object]


class Run:
    """One customer's life. What happens until an instant never depends on what happens after it.

    `pending` are proration lines for the next invoice, `numbered` counts invoices that have a number, `unpaid` holds
    the serials of invoices that could not be collected so far, `periods` counts those begun.
    """

    def __init__(self, customer: Customer, seller: Seller, until: int) -> None:
        self.timeline = Timeline(customer, seller.index, until)
        self.seller = seller
        self.fate = Fate(customer)
        self.story = build_story(self.fate)
        self.now = 0
        self.pending: list[Line] = []
        self.numbered = 0
        self.unpaid: set[int] = set()
        self.periods = 0
        self._tick = 0
        self._due: list[tuple[int, int, Action, tuple[Any, ...]]] = []
        self._order = 0

    @property
    def market(self) -> Market:
        """Where the customer pays from."""
        return self.timeline.customer.market

    @property
    def subscription(self) -> Subscription:
        """The subscription; there must be one."""
        subscription = self.timeline.subscription
        if subscription is None:
            raise LookupError("There is no subscription yet.")
        return subscription

    @property
    def terms(self) -> Terms:
        """The subscription's present terms."""
        return self.subscription.terms[-1]

    @property
    def is_over(self) -> bool:
        """The subscription has ended, or the customer is gone."""
        return self.timeline.deleted != NEVER or self.terms.ended_at is not None

    def seat_price(self, product: int) -> int:
        """Minor units per seat and period."""
        return self.seller.price(product, self.market, yearly=self.timeline.customer.yearly).amount

    def later(self, instant: int, action: Action, *details: Any) -> None:
        """Have something happen, not before now; what is due in the same second happens in the order asked for."""
        heappush(self._due, (max(instant, self.now), self._order, action, details))
        self._order += 1

    def live(self) -> None:
        """Let everything happen that is due until the timeline's end."""
        while self._due and self._due[0][0] <= self.timeline.until:
            self.now, _, action, details = heappop(self._due)
            action(self, *details)

    def tick(self) -> int:
        """A tick for one change."""
        self._tick = max(self._tick + 1, self.now * STEPS)
        return self._tick

    def tell(self, tick: int, event: str, serial: int = 0) -> None:
        """Write an event down."""
        self.timeline.events.append(pack(tick, event, serial))


def add_months(instant: int, months: int) -> int:
    """The same time of day so many months later; the last of the month where that day is missing."""
    date = datetime.fromtimestamp(instant, UTC)
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    day = min(date.day, monthrange(year, month + 1)[1])
    return int(date.replace(year=year, month=month + 1, day=day).timestamp())
