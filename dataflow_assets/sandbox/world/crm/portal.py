"""A portal of the CRM: finds its records."""

from collections.abc import Callable, Iterator
from functools import lru_cache

from dataflow_assets.sandbox.world.crm.histories import company_record, contact_records, deal_records
from dataflow_assets.sandbox.world.crm.records import Kind, Record
from dataflow_assets.sandbox.world.customers import NUMBERS_PER_DAY, Customer, founder, numbers_of_day
from dataflow_assets.sandbox.world.world import World

_UNIX_EPOCH_ORDINAL = 719_163
_DAY_MILLIS = 86_400_000
_END = 36_525 * NUMBERS_PER_DAY  # a century on: whoever guesses ids must not lead beyond what a date can hold
_CACHED = 30_000  # people; the records of others are made again when asked

Records = tuple[Record, ...]


class Portal:
    """The records about every n-th person, `index` counting from 0. Safe to use from several threads."""

    def __init__(self, world: World, index: int) -> None:
        self.world = world
        self.config = world.config
        self.index = index
        makers = {Kind.CONTACT: self._contacts, Kind.COMPANY: self._companies, Kind.DEAL: self._deals}
        self._made: dict[Kind, Callable[[int], Records]] = {
            kind: lru_cache(_CACHED)(maker) for kind, maker in makers.items()
        }

    def of(self, kind: Kind, number: int) -> Records:
        """The records there ever are about a person, or a company by whoever came first; empty if there is none."""
        return self._made[kind](number) if self._exists(number) else ()

    def find(self, kind: Kind, number: int, copy: int) -> Record | None:
        """One record, whether it exists yet or not; None for one that never will."""
        return next((record for record in self.of(kind, number) if record.copy == copy), None)

    def records(self, kind: Kind, until: int, since: tuple[int, int] = (0, 0)) -> Iterator[Record]:
        """Everything that can exist at `until` (and some that cannot), by number and copy, from `since` on."""
        made = self._made[kind]
        first, copy = since
        last_day = until // _DAY_MILLIS + _UNIX_EPOCH_ORDINAL
        for day in range(self._day(first), last_day + 1):
            numbers = numbers_of_day(self.config, day)
            for number in range(max(first, numbers.start), numbers.stop):
                for record in made(number):
                    if number > first or record.copy >= copy:
                        yield record

    def people(self, company: int) -> tuple[Customer, ...]:
        """Those of a company, by its number, who are in this portal, in order of arrival."""
        numbers = [company]
        if self._exists(company + 1) and founder(self.config, company + 1) == company:
            numbers.append(company + 1)
        return tuple(self.world.customer(number) for number in numbers if self._is_here(number))

    def _contacts(self, number: int) -> Records:
        return contact_records(self.config, self.world.customer(number)) if self._is_here(number) else ()

    def _deals(self, number: int) -> Records:
        return deal_records(self.config, self.world.customer(number)) if self._is_here(number) else ()

    def _companies(self, number: int) -> Records:
        if founder(self.config, number) != number:
            return ()
        people = self.people(number)
        return (company_record(self.config, people[0].company, people),) if people else ()

    def _is_here(self, number: int) -> bool:
        return number % self.config.hubspot_portals == self.index

    def _exists(self, number: int) -> bool:
        return 0 <= number < _END and number in numbers_of_day(self.config, self._day(number))

    def _day(self, number: int) -> int:
        return self.config.start.toordinal() + number // NUMBERS_PER_DAY
