"""How Airbyte's source-stripe lays out what our streams hold. One connection of it is one account.

It speaks API version 2022-11-15, which has no invoice payments: charges name their invoice themselves.
"""

from collections.abc import Mapping
from typing import Any

from dataflow_assets.connectors.base import Account, Landing
from dataflow_assets.connectors.stripe.accounts import UTC_ZONE
from dataflow_assets.connectors.stripe.billing import (
    COUPONS,
    CUSTOMERS,
    INVOICE_LINES,
    INVOICES,
    PRICES,
    PRODUCTS,
    SUBSCRIPTION_ITEMS,
    SUBSCRIPTIONS,
)
from dataflow_assets.connectors.stripe.payments import BALANCE_TRANSACTIONS, CHARGES, DISPUTES, EVENTS, REFUNDS


def _account(record: Mapping[str, Any]) -> Account:
    return Account(str(record["id"]), str(record["id"]), "", UTC_ZONE)


# Where a row came from a list, and not from an event, Airbyte takes its time of creation for that of the event.
_CHANGES = {"updated_at": "updated", "deleted": "is_deleted"}
_CHANGING = (CUSTOMERS, PRODUCTS, PRICES, COUPONS, SUBSCRIPTIONS, INVOICES, INVOICE_LINES, CHARGES, REFUNDS, DISPUTES)
LANDING = Landing(
    tables={
        **{stream.name: stream.name for stream in (*_CHANGING, SUBSCRIPTION_ITEMS, BALANCE_TRANSACTIONS, EVENTS)},
        INVOICE_LINES.name: "invoice_line_items",
    },
    columns={
        **{
            stream.name: {name: at for name, at in _CHANGES.items() if name in stream.column_names}
            for stream in _CHANGING
        },
        INVOICE_LINES.name: {**_CHANGES, "invoice": "invoice_id"},
        SUBSCRIPTION_ITEMS.name: {"updated_at": "subscription_updated"},
        EVENTS.name: {"object_id": "data.object.id", "object_type": "data.object.object"},
    },
    account=_account,
)
