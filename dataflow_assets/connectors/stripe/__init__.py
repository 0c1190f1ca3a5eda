"""Stripe billing, API version 2026-10-28.endive. For people: `docs/vendors/stripe.md`.

Facts: Stripe's documentation as stored copies show it, its official SDK 16.1.0 (11.6.0 for the shapes before basil) and
what that SDK does against a local server; error bodies as in issue threads of open-source connectors.

No list can be asked for what changed, so changes come from the feed of events, which goes back 30 days; a full listing
now and then reconciles. A stream in which nothing happened costs one request.
"""

from dataflow_assets.connectors.base import Connector
from dataflow_assets.connectors.stripe.accounts import accounts
from dataflow_assets.connectors.stripe.answers import NAME, api
from dataflow_assets.connectors.stripe.billing import (
    COUPONS,
    CUSTOMERS,
    INVOICE_LINES,
    INVOICE_PAYMENTS,
    INVOICES,
    PRICES,
    PRODUCTS,
    SUBSCRIPTION_ITEMS,
    SUBSCRIPTIONS,
)
from dataflow_assets.connectors.stripe.landing import LANDING
from dataflow_assets.connectors.stripe.payments import BALANCE_TRANSACTIONS, CHARGES, DISPUTES, EVENTS, REFUNDS
from dataflow_assets.connectors.stripe.reading import newer, read

CONNECTOR = Connector(
    name=NAME,
    title="Stripe",
    streams=(
        CUSTOMERS,
        PRODUCTS,
        PRICES,
        COUPONS,
        SUBSCRIPTIONS,
        SUBSCRIPTION_ITEMS,
        INVOICES,
        INVOICE_LINES,
        INVOICE_PAYMENTS,
        CHARGES,
        REFUNDS,
        DISPUTES,
        BALANCE_TRANSACTIONS,
        EVENTS,
    ),
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.stripe.account_ids,
    # There are no reports, to which these three belong.
    initial_history_days=lambda _settings: 1,
    lookback_days=lambda _settings: 1,
    retention_days=36_500,
    landing=LANDING,
    version=lambda settings: settings.stripe.api_version,
)
