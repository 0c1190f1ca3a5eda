"""Payments and what comes of them: attempts, refunds, disputes."""

from dataflow_assets.sandbox.stripe.shapes.balance import balance_transaction, movement_id, what_for
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row, currency_of, seen
from dataflow_assets.sandbox.world.commerce.ledger import movement
from dataflow_assets.sandbox.world.commerce.records import (
    Charge,
    Dispute,
    Payment,
    Refund,
    Source,
    Timeline,
    instant_of,
)
from dataflow_assets.sandbox.world.customers import DAY_SECONDS

_EVIDENCE_DAYS = 7
_CARD = {
    "brand": "visa",
    "exp_month": 12,
    "exp_year": 2031,
    "funding": "credit",
    "last4": "4242",
    "mandate": None,
    "network": "visa",
    "regulated_status": "unregulated",
    "setup_credential_usage": None,
    "stored_credential_usage": "recurring",
}
_DISPUTED_CARD = {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": None}
_EVIDENCE = (
    "access_activity_log",
    "billing_address",
    "cancellation_policy",
    "cancellation_policy_disclosure",
    "cancellation_rebuttal",
    "customer_communication",
    "customer_email_address",
    "customer_name",
    "customer_purchase_ip",
    "customer_signature",
    "duplicate_charge_documentation",
    "duplicate_charge_explanation",
    "duplicate_charge_id",
    "product_description",
    "receipt",
    "refund_policy",
    "refund_policy_disclosure",
    "refund_refusal_explanation",
    "service_date",
    "service_documentation",
    "shipping_address",
    "shipping_carrier",
    "shipping_date",
    "shipping_documentation",
    "shipping_tracking_number",
    "uncategorized_file",
    "uncategorized_text",
)


def payment_intent(frame: Frame, timeline: Timeline, of: Payment, tick: int) -> Row:
    """A payment, with the state of its last attempt."""
    tries = [timeline.charges[serial] for serial in of.charges if timeline.charges[serial].created <= tick]
    last = tries[-1] if tries else None
    succeeded, canceled = of.succeeded <= tick, of.canceled <= tick
    failed = last is not None and last.failure is not None
    if succeeded or canceled:
        status = "succeeded" if succeeded else "canceled"
    else:
        status = "requires_payment_method" if failed else "requires_confirmation"
    reason = None
    if canceled:
        reason = "abandoned" if of.invoice is None else "void_invoice"
    return {
        "id": frame.of("payment_intent", timeline, of.serial),
        "object": "payment_intent",
        "amount": of.amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": of.amount if succeeded else 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": seen(of.canceled, tick),
        "cancellation_reason": reason,
        "capture_method": "automatic",
        "client_secret": None,
        "confirmation_method": "automatic",
        "created": instant_of(of.created),
        "currency": currency_of(timeline),
        "customer": frame.of("customer", timeline),
        "description": what_for(timeline, of),
        "last_payment_error": _error(frame, timeline, last) if last is not None and failed and not succeeded else None,
        "latest_charge": frame.of("charge", timeline, last.serial) if last else None,
        "livemode": False,
        "metadata": {},
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": frame.of("payment_method", timeline) if not failed else None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_record": None,
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": "off_session",
        "shipping": None,
        "source": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": status,
        "transfer_data": None,
        "transfer_group": None,
    }


def charge(frame: Frame, timeline: Timeline, of: Charge, tick: int) -> Row:
    """One attempt to take money."""
    ok = of.failure is None
    refunded = timeline.refunded(of, tick)
    person = timeline.customer
    disputed = of.dispute is not None and timeline.disputes[of.dispute].created <= tick
    address = {"city": None, "line1": None, "line2": None, "postal_code": None, "state": None}
    return {
        "id": frame.of("charge", timeline, of.serial),
        "object": "charge",
        "amount": of.amount,
        "amount_captured": of.amount if ok else 0,
        "amount_refunded": refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": movement_id(frame, timeline, Source.CHARGE, of.serial) if ok else None,
        "billing_details": {
            "address": {**address, "country": person.market.country},
            "email": person.email,
            "name": f"{person.first_name} {person.last_name}",
            "phone": None,
            "tax_id": None,
        },
        "calculated_statement_descriptor": "DATAFLOW",
        "captured": ok,
        "created": instant_of(of.created),
        "currency": currency_of(timeline),
        "customer": frame.of("customer", timeline),
        "description": what_for(timeline, timeline.payments[of.payment]),
        "disputed": disputed,
        "failure_balance_transaction": None,
        "failure_code": None if of.failure is None else _failure_code(of.failure),
        "failure_message": None if ok else "Your card was declined.",
        "fraud_details": {},
        "livemode": False,
        "metadata": {},
        "on_behalf_of": None,
        "outcome": _outcome(of.failure),
        "paid": ok,
        "payment_intent": frame.of("payment_intent", timeline, of.payment),
        "payment_method": frame.of("payment_method", timeline),
        "payment_method_details": {"card": {**_CARD, "country": person.market.country}, "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": refunded == of.amount,
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if ok else "failed",
        "transfer": None,
        "transfer_data": None,
        "transfer_group": None,
    }


def refund(frame: Frame, timeline: Timeline, of: Refund, tick: int) -> Row:
    """A refund."""
    failed, settled = of.failed <= tick, of.settled <= tick
    back = movement_id(frame, timeline, Source.REFUND_FAILURE, of.serial) if failed else None
    row: Row = {
        "id": frame.of("refund", timeline, of.serial),
        "object": "refund",
        "amount": of.amount,
        "balance_transaction": movement_id(frame, timeline, Source.REFUND, of.serial),
        "charge": frame.of("charge", timeline, of.charge),
        "created": instant_of(of.created),
        "currency": currency_of(timeline),
        "customer": frame.of("customer", timeline),
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "failure_balance_transaction": back,
        "metadata": {},
        "payment_intent": frame.of("payment_intent", timeline, timeline.charges[of.charge].payment),
        "payment_method": frame.of("payment_method", timeline),
        "pending_reason": None if failed or settled else "processing",
        "reason": of.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "failed" if failed else "succeeded" if settled else "pending",
        "transfer_reversal": None,
    }
    if failed:
        row["failure_reason"] = "lost_or_stolen_card"
    return row


def dispute(frame: Frame, timeline: Timeline, of: Dispute, tick: int) -> Row:
    """A dispute with the movements of money it caused."""
    answered = of.answered <= tick
    status = "under_review" if answered else "needs_response"
    if of.closed <= tick:
        status = "won" if of.won else "lost"
    sources = (Source.DISPUTE, Source.DISPUTE_REVERSAL)
    caused = [movement(frame.seller, timeline, source, of.serial) for source in sources]
    number = timeline.customer.number
    return {
        "id": frame.of("dispute", timeline, of.serial),
        "object": "dispute",
        "amount": of.amount,
        "balance_transactions": [
            balance_transaction(frame, timeline, one, number, tick) for one in caused if one and one.created <= tick
        ],
        "charge": frame.of("charge", timeline, of.charge),
        "created": instant_of(of.created),
        "currency": currency_of(timeline),
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": instant_of(of.created) + _EVIDENCE_DAYS * DAY_SECONDS,
            "enhanced_eligibility": {},
            "has_evidence": answered,
            "past_due": False,
            "submission_count": int(answered),
            "submission_method": "manual" if answered else "not_submitted",
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "network_reason_code": None,
        "payment_intent": frame.of("payment_intent", timeline, timeline.charges[of.charge].payment),
        "payment_method_details": {"card": {**_DISPUTED_CARD}, "type": "card"},
        "reason": of.reason,
        "status": status,
    }


def _failure_code(failure: str) -> str:
    return failure if failure == "expired_card" else "card_declined"


def _outcome(failure: str | None) -> Row:
    return {
        "advice_code": None if failure is None else "try_again_later",
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network" if failure is None else "declined_by_network",
        "reason": failure,
        "risk_level": "normal",
        "rule": None,
        "seller_message": "Payment complete." if failure is None else "The bank did not return any further details.",
        "type": "authorized" if failure is None else "issuer_declined",
    }


def _error(frame: Frame, timeline: Timeline, last: Charge) -> Row:
    failure = last.failure or ""
    return {
        "charge": frame.of("charge", timeline, last.serial),
        "code": _failure_code(failure),
        "decline_code": failure,
        "message": "Your card was declined.",
        "source": None,
        "type": "card_error",
    }
