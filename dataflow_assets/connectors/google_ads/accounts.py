"""Whose data can be read: client accounts, directly or through managers."""

from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from dataflow_assets.connectors.base import Account
from dataflow_assets.connectors.google_ads.answers import decode_envelope
from dataflow_assets.connectors.google_ads.codes import NotEnabled
from dataflow_assets.connectors.google_ads.queries import rows_of
from dataflow_assets.connectors.google_ads.streams import NAME
from dataflow_assets.resources.failures import Fatal
from dataflow_assets.resources.http import Caller
from dataflow_assets.settings import Settings

_ACCOUNT_FIELDS = ("id", "descriptive_name", "currency_code", "time_zone", "manager", "status")
_CUSTOMER = ", ".join(f"customer.{name}" for name in _ACCOUNT_FIELDS)
_CLIENTS = ", ".join(f"customer_client.{name}" for name in (*_ACCOUNT_FIELDS, "hidden"))


class Client(msgspec.Struct, rename="camel"):
    """What Google tells of an account."""

    id: str
    descriptive_name: str = ""
    currency_code: str = ""
    time_zone: str = ""
    manager: bool = False
    status: str = ""
    hidden: bool = False


class _ClientRow(msgspec.Struct, rename="camel"):
    customer: Client | None = None
    customer_client: Client | None = None


_clients = msgspec.json.Decoder(list[_ClientRow])


async def accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    """Every client account that the user can read, directly or through a manager; each once.

    Left out are managers (they have no figures), cancelled and closed accounts, and suspended and hidden ones, unless
    the settings name them. Costs an operation to list, one per account or manager of that list, one per manager's tree.
    """
    google = settings.google_ads
    named = set(google.account_ids)
    found: dict[str, Account] = {}
    managers: set[str] = set()
    for root in [google.login_customer_id] if google.login_customer_id else await _accessible(caller):
        known = found.get(root)
        if root in managers or (known and not known.problem):
            continue  # the tree of a manager holds it already, with all below it
        try:
            clients = await _tree(replace(caller, account=root), root)
        except NotEnabled as error:
            # Cancelled ones stay in the list of accessible accounts for ever: no news, unless one is asked for.
            listed = [_unreadable(root, error)] if root in named else []
        except Fatal as error:
            if error.scope == "vendor":
                raise
            listed = [_unreadable(root, error)]
        else:
            managers |= {client.id for client in clients if client.manager}
            listed = [account for client in clients if (account := account_of(client, named, root))]
        found |= {account.id: account for account in listed}
    if not found and not named:
        # An empty list would make every sync green, with no rows.
        hint = "Give the user of the refresh token access to an enabled account, or to a manager above one."
        raise Fatal("the user can read no client account.", vendor=NAME, hint=hint, scope="vendor")
    return list(found.values())


async def _accessible(caller: Caller) -> list[str]:
    # With a slash in front, or the part before the colon would be taken for a scheme.
    reply = await caller.get("/customers:listAccessibleCustomers")
    return [name.rpartition("/")[2] for name in decode_envelope(reply.body).resource_names]


async def _tree(caller: Caller, root: str) -> list[Client]:
    """The account itself, and all below it when it is a manager."""
    query = f"SELECT {_CUSTOMER} FROM customer"  # noqa: S608  GAQL, of our own names
    rows = [row async for row in rows_of(caller, root, query, _clients)]
    if any(row.customer and row.customer.manager for row in rows):
        query = f"SELECT {_CLIENTS} FROM customer_client WHERE customer_client.level > 0"  # noqa: S608  as above
        rows += [row async for row in rows_of(caller, root, query, _clients)]
    return [client for row in rows if (client := row.customer or row.customer_client)]


def account_of(client: Client, named: set[str], root: str = "") -> Account | None:
    """The account, read through `root` where that is another one; None where it is not to be read."""
    is_named = client.id in named
    problem = ""
    if client.manager:
        problem = "it is a manager account, which has no figures of its own; name its clients instead."
    elif client.status in {"CANCELED", "CLOSED"}:
        problem = f"it is {client.status} at Google. Take it out of DATAFLOW_GOOGLE_ADS__ACCOUNT_IDS."
    if not is_named and (problem or client.hidden or client.status == "SUSPENDED"):
        return None
    try:
        zone = ZoneInfo(client.time_zone)
    except (ValueError, ZoneInfoNotFoundError):
        zone = ZoneInfo("UTC")
        problem = problem or f"its time zone {client.time_zone!r} is unknown, so its days cannot be told."
    through = {} if root in {"", client.id} else {"login-customer-id": root}
    return Account(client.id, client.descriptive_name, client.currency_code, zone, problem, headers=through)


def _unreadable(root: str, error: Fatal) -> Account:
    return Account(root, "", "", ZoneInfo("UTC"), f"{error.message} {error.hint}".strip())
