"""What is paid in a world, found without storing it.

A life is told up to a horizon some weeks ahead, the same for everybody, so that looking a second later costs nothing.
Lives are cached, and per horizon the keys of all records; both caches are bounded.
"""

import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache

from dataflow_assets.sandbox.world.commerce.catalog import Seller, build_seller
from dataflow_assets.sandbox.world.commerce.keys import KINDS, catalogue_keys, customer_keys, first_key, read_key
from dataflow_assets.sandbox.world.commerce.records import Timeline
from dataflow_assets.sandbox.world.commerce.run import Run
from dataflow_assets.sandbox.world.commerce.subscribing import live
from dataflow_assets.sandbox.world.customers import DAY_SECONDS, NUMBERS_PER_DAY, Customer, numbers_of_day
from dataflow_assets.sandbox.world.world import World

EVENT_DAYS = 30

_CHUNK = 32 * DAY_SECONDS
_CACHED_LIVES = 4_000  # some 15 kB each
_CACHED_SHELVES = 2

Keys = Mapping[str, list[int]]


class Commerce:
    """Who pays whom. Safe to use from several threads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.sellers = tuple(build_seller(world.config, index) for index in range(world.config.stripe_accounts))
        self._life = lru_cache(_CACHED_LIVES)(self._live)
        self._lock = threading.Lock()
        self._shelves: dict[int, tuple[Keys, ...]] = {}

    def timeline(self, number: int, instant: int) -> Timeline | None:
        """The life of the customer of that number, told beyond an instant; None for who never pays."""
        config = self._world.config
        day = config.start.toordinal() + number // NUMBERS_PER_DAY
        if number not in numbers_of_day(config, day):
            return None
        horizon = _horizon(instant)
        pays_from = self._world.customer(number).pays_from
        return None if pays_from is None or pays_from > horizon else self._life(number, horizon)

    def payers(self, seller: Seller, instant: int) -> Iterator[Timeline]:
        """The lives of all who have begun to pay an account by an instant, in order of arrival."""
        for customer in self._world.customers(instant + 1):
            if self._seller(customer) is seller and customer.pays_from is not None and customer.pays_from <= instant:
                yield self._life(customer.number, _horizon(instant))

    def keys(self, seller: Seller, instant: int) -> Keys:
        """The keys of all records of an account by kind, ascending, with those of some weeks after the instant.

        Events begin EVENT_DAYS before the instant, or earlier.
        """
        horizon = _horizon(instant)
        with self._lock:
            shelf = self._shelves.pop(horizon, None) or self._shelve(horizon)
            self._shelves[horizon] = shelf
            while len(self._shelves) > _CACHED_SHELVES:
                del self._shelves[next(iter(self._shelves))]
        return shelf[seller.index]

    def redemptions(self, seller: Seller, coupon: int, until: int, instant: int) -> int:
        """How often a coupon had been used until an instant, for somebody who looks at the last one."""
        end = first_key(until + 1)
        return sum(key < end and read_key(key)[2] == coupon for key in self.keys(seller, instant)["redemption"])

    def _seller(self, customer: Customer) -> Seller:
        return self.sellers[customer.number % len(self.sellers)]

    def _live(self, number: int, horizon: int) -> Timeline:
        customer = self._world.customer(number)
        run = Run(customer, self._seller(customer), horizon)
        live(run)
        return run.timeline

    def _shelve(self, horizon: int) -> tuple[Keys, ...]:
        shelf: tuple[dict[str, list[int]], ...] = tuple({kind: [] for kind in KINDS} for _ in self.sellers)
        events_since = horizon - _CHUNK - EVENT_DAYS * DAY_SECONDS
        for seller in self.sellers:
            for kind, key in catalogue_keys(seller, horizon, events_since):
                shelf[seller.index][kind].append(key)
        for customer in self._world.customers(horizon):
            if customer.pays_from is not None and customer.pays_from <= horizon:
                seller = self._seller(customer)
                keys = shelf[seller.index]
                for kind, key in customer_keys(seller, self._life(customer.number, horizon), events_since):
                    keys[kind].append(key)
        for keys in shelf:
            for numbers in keys.values():
                numbers.sort()
        return shelf


def _horizon(instant: int) -> int:
    return (instant // _CHUNK + 1) * _CHUNK
