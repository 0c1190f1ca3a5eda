"""Google's customers: a manager account, a client for each account of the world, and one that was cancelled."""

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from dataflow_assets.sandbox.google_ads import ids
from dataflow_assets.sandbox.world import Account, World


@dataclass(frozen=True, slots=True, eq=False)
class Customer:
    """A customer; `account` is what the world knows of it: nothing of the manager and of the cancelled one."""

    id: str
    name: str
    currency: str
    zone: ZoneInfo
    account: Account | None = None
    manager: bool = False
    hidden: bool = False
    status: str = "ENABLED"

    @property
    def resource_name(self) -> str:
        """As other resources refer to it."""
        return f"customers/{self.id}"

    def local(self, instant: int) -> datetime:
        """An instant (unix seconds) as the customer's wall clocks show it."""
        return datetime.fromtimestamp(instant, self.zone)

    def today(self, instant: int) -> date:
        """The customer's calendar day."""
        return self.local(instant).date()


class Directory:
    """All customers of one world, and who may be reached through whom."""

    def __init__(self, world: World) -> None:
        zone = ZoneInfo("Europe/Berlin")
        self.manager = Customer(ids.MANAGER_ID, "DataFlow Sandbox", "EUR", zone, manager=True)
        self.clients = tuple(
            Customer(ids.client_id(account), account.name, account.market.currency, account.zone, account)
            for account in world.accounts("google_ads")
        )
        self.canceled = Customer(ids.CANCELED_ID, "Closed shop", "EUR", zone, hidden=True, status="CANCELED")
        self._by_id = {one.id: one for one in (self.manager, *self.clients, self.canceled)}

    def find(self, digits: str) -> Customer | None:
        """The customer with an id."""
        return self._by_id.get(digits)

    @property
    def direct(self) -> tuple[Customer, ...]:
        """Those that the sandbox's user reaches without a manager: the manager itself and the first client."""
        return self.manager, self.clients[0]

    def may_reach(self, customer: Customer, login: Customer | None) -> bool:
        """Whether the user may act for a customer, logged in to another one (None: to the customer itself)."""
        login = login or customer
        return login in self.direct and (login is customer or login is self.manager)

    def tree(self, customer: Customer) -> list[tuple[int, Customer]]:
        """The customer and all below it, each with its level, counted from 0."""
        if customer is not self.manager:
            return [(0, customer)]
        return [(0, customer), *((1, one) for one in (*self.clients, self.canceled))]
