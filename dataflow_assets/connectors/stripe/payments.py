"""Money: what was taken, given back and denied, what it did to the balance; and the feed of everything that happens."""

from datetime import timedelta
from typing import Any

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.records import flag, instant, nested, number, text, whole
from dataflow_assets.connectors.stripe.declare import (
    CREATED,
    CURRENCY,
    CUSTOMER,
    FEED_REACHES,
    ID,
    LINGER,
    LIVE,
    METADATA,
    PAGE_SIZE,
    PAYMENT_INTENT,
    WEEKLY,
    entity,
    ref,
    rest_of_address,
    words,
)


def _method_type(details: dict[str, Any]) -> str | None:
    # What stands beside the type differs by type, and is nobody's business here.
    return str(details["type"]) if details.get("type") else None


CHARGES = entity(
    "charges",
    "Attempts to take money, failed ones included.",
    (
        CUSTOMER,
        PAYMENT_INTENT,
        ref("invoice", "Invoice, before basil; now invoice_payments has it."),
        whole("amount", "Minor units asked for.", required=True),
        whole("amount_captured", "Minor units taken."),
        whole("amount_refunded", "Minor units given back."),
        CURRENCY,
        text("status", "succeeded, pending or failed.", required=True),
        flag("paid", "Succeeded, or authorised and not yet captured."),
        flag("captured", "Taken, not merely authorised."),
        flag("refunded", "Given back in full."),
        flag("disputed", "Was disputed."),
        text("failure_code", "Why it failed."),
        nested("outcome", "What the network and Stripe's fraud check said."),
        text(
            "payment_method_type",
            "card, sepa_debit and others.",
            path="payment_method_details",
            wire=dict[str, Any],
            parse=_method_type,
            example={"type": "card", "card": {"brand": "visa"}},
        ),
        ref("balance_transaction", "What it did to the balance; null when it failed."),
        ref("failure_balance_transaction", "What took it back when it failed later."),
        whole("application_fee_amount", "Minor units a Connect platform takes."),
        text("billing_country", "Country of the payer, ISO 3166.", path="billing_details.address.country"),
        text("billing_email", "Address for mail the payer gave.", path="billing_details.email"),
        text("description", "The account's own words."),
        METADATA,
        LIVE,
        CREATED,
    ),
    (
        *rest_of_address("billing_details.address"),
        *words("name phone tax_id", below="billing_details"),
        *words("application application_fee authorization_code calculated_statement_descriptor destination dispute"),
        *words("failure_message fraud_details level3 on_behalf_of order payment_method presentment_details"),
        *words("radar_options receipt_email receipt_number receipt_url refunds review shipping source"),
        *words("source_transfer statement_descriptor statement_descriptor_suffix transfer transfer_data"),
        "transfer_group",
    ),
    types=(
        *words("succeeded failed pending captured expired refunded updated", below="charge"),
        # Disputes, and refunds that fail, change their charge without an event of its own.
        *words("dispute.created dispute.closed dispute.funds_reinstated refund.updated", below="charge"),
        *words("refund.updated refund.failed"),
    ),
    subject={"charge": "id", "dispute": "charge", "refund": "charge"},
    event_days=("created",),
)

REFUNDS = entity(
    "refunds",
    "Money given back, or not: a refund can still fail.",
    (
        ref("charge", "Charge it gives back."),
        PAYMENT_INTENT,
        ref("customer", "Customer; null before endive."),
        whole("amount", "Minor units.", required=True),
        CURRENCY,
        text("status", "pending, requires_action, succeeded, failed or canceled."),
        text("reason", "requested_by_customer, duplicate, fraudulent and others."),
        text("failure_reason", "Why it failed."),
        ref("balance_transaction", "What it did to the balance."),
        ref("failure_balance_transaction", "What brought it back when it failed."),
        METADATA,
        CREATED,
    ),
    (
        *words("customer_account description destination_details instructions_email next_action payment_method"),
        *words("pending_reason presentment_details receipt_number source_transfer_reversal transfer_reversal"),
    ),
    types=words("refund.created refund.updated refund.failed charge.refund.updated"),
    subject={"refund": "id"},
    event_days=("created",),
)

DISPUTES = entity(
    "disputes",
    "Payments that cardholders deny.",
    (
        ref("charge", "Charge that is denied."),
        PAYMENT_INTENT,
        whole("amount", "Minor units denied.", required=True),
        CURRENCY,
        text("status", "needs_response, under_review, won, lost and others.", required=True),
        text("reason", "fraudulent, product_not_received and others."),
        text("network_reason_code", "The same in the network's own code."),
        instant("evidence_due_by", "Until when it can be answered.", path="evidence_details.due_by"),
        flag("has_evidence", "Was answered.", path="evidence_details.has_evidence"),
        METADATA,
        LIVE,
        CREATED,
    ),
    (
        *words(
            "balance_transaction balance_transactions enhanced_eligibility_types evidence intended_submission_method"
        ),
        *words("is_charge_refundable payment_method_details"),
        *words("enhanced_eligibility past_due submission_count submission_method", below="evidence_details"),
    ),
    types=words("created updated closed funds_withdrawn funds_reinstated", below="charge.dispute"),
    subject={"dispute": "id"},
    event_days=("created",),
)

BALANCE_TRANSACTIONS = Stream(
    name="balance_transactions",
    description="Every movement of money on the balance: amount, fee and net, in the currency of the balance.",
    kind=Kind.ENTITY,
    endpoint="balance_transactions",
    columns=(
        ID,
        whole("amount", "Minor units; negative when money leaves.", required=True),
        whole("fee", "Minor units that Stripe and others keep of it.", required=True),
        whole("net", "Minor units: amount less fee.", required=True),
        CURRENCY,
        text("type", "charge, refund, adjustment, stripe_fee, payout and others.", required=True),
        text("reporting_category", "Stripe's grouping of the types, for reports."),
        text("status", "pending until available_on, then available."),
        text("balance_type", "payments, issuing and others; null before basil."),
        ref("source", "What moved the money."),
        instant("available_on", "When it can be paid out."),
        number("exchange_rate", "Rate from the currency of the source; null when it is the same."),
        nested("fee_details", "What the fee is made of, a list."),
        text("description", "Text of the source."),
        CREATED,
    ),
    ignored=words("object cross_border_classification sourced_transfers"),
    key=("id",),
    page_size=PAGE_SIZE,
    cursor="created",
    # Only the status changes, without an event. Most money is available within a week; the sweep sees the rest.
    overlap=timedelta(days=10),
    sweep_every=WEEKLY,
    event_days=("created",),
    by_day=True,
)

EVENTS = Stream(
    name="events",
    description="What happened, as Stripe wrote it down then. Stripe keeps 30 days; what was read stays here.",
    kind=Kind.EVENT,
    endpoint="events",
    columns=(
        ID,
        text("type", "What happened, such as invoice.paid.", required=True),
        CREATED,
        text("api_version", "API version whose shape `data` has."),
        text("object_id", "What it happened to."),
        text("object_type", "Kind of what it happened to, such as invoice."),
        nested("data", "The object as it was afterwards, and what changed in it. Holds personal data."),
        text("account", "Connected account it happened in."),
        LIVE,
    ),
    ignored=words("object context pending_webhooks request"),
    key=("id",),
    page_size=PAGE_SIZE,
    cursor="created",
    overlap=LINGER,
    feed_reaches=FEED_REACHES,
    by_day=True,
)
