"""Subscriptions, what they are made of, and the discounts on them."""

from dataflow_assets.sandbox.stripe.shapes.catalogue import coupon_id, plan, price
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row, currency_of
from dataflow_assets.sandbox.world.commerce.records import (
    Discount,
    Item,
    Subscription,
    Terms,
    Timeline,
    instant_of,
)


def subscription(frame: Frame, timeline: Timeline, of: Subscription, tick: int) -> Row:
    """A subscription with its items."""
    terms = of.at(tick)
    number = frame.of("subscription", timeline)
    ends = terms.period[1] if terms.cancel_at_period_end else None
    return {
        "id": number,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": of.anchor,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"flexible": None, "type": "classic"},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": ends,
        "cancel_at_period_end": terms.cancel_at_period_end,
        "canceled_at": terms.canceled_at,
        "cancellation_details": {
            "comment": None,
            "feedback": None,
            "feedback_option": None,
            "reason": terms.cancel_reason,
        },
        "collection_method": "charge_automatically",
        "created": instant_of(of.created),
        "currency": currency_of(timeline),
        "customer": frame.of("customer", timeline),
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [frame.of("discount", timeline)] if terms.discounted else [],
        "ended_at": terms.ended_at,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": frame.embedded(items(frame, timeline, terms, tick), f"/v1/subscription_items?subscription={number}"),
        "latest_invoice": None if terms.latest_invoice is None else frame.of("invoice", timeline, terms.latest_invoice),
        "livemode": False,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": {"behavior": str(terms.pause), "resumes_at": None} if terms.pause else None,
        "payment_settings": {
            "payment_method_options": None,
            "payment_method_types": None,
            "save_default_payment_method": "off",
        },
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": instant_of(of.created),
        "status": terms.status,
        "status_details": None,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": of.trial[1] if of.trial else None,
        "trial_settings": {"end_behavior": {"billing_cycle_anchor": None, "missing_payment_method": "create_invoice"}},
        "trial_start": of.trial[0] if of.trial else None,
    }


def items(frame: Frame, timeline: Timeline, terms: Terms, tick: int) -> list[Row]:
    """All items of a subscription, newest first."""
    return [_item(frame, timeline, terms, item, tick) for item in reversed(terms.items)]


def item_of(frame: Frame, timeline: Timeline, serial: int, tick: int) -> Row:
    """The item of a subscription with that serial. Raises LookupError when there is none at that tick."""
    if timeline.subscription is not None:
        terms = timeline.subscription.at(tick)
        for item in terms.items:
            if item.serial == serial:
                return _item(frame, timeline, terms, item, tick)
    raise LookupError(f"There is no item {serial} at {tick}.")


def _item(frame: Frame, timeline: Timeline, terms: Terms, of: Item, tick: int) -> Row:
    customer = timeline.customer
    sold = frame.seller.price(of.product, customer.market, yearly=customer.yearly)
    return {
        "id": frame.of("subscription_item", timeline, of.serial),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": of.since,
        "current_period_end": terms.period[1],
        "current_period_start": terms.period[0],
        "discounts": [],
        "metadata": {},
        "plan": plan(frame, sold, tick),
        "price": price(frame, sold, tick),
        "quantity": of.seats,
        "subscription": frame.of("subscription", timeline),
        "tax_rates": [],
    }


def discount(frame: Frame, timeline: Timeline, of: Discount) -> Row:
    """A coupon in use."""
    return {
        "id": frame.of("discount", timeline),
        "object": "discount",
        "checkout_session": None,
        "customer": frame.of("customer", timeline),
        "end": of.ends_at,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": None,
        "source": {"coupon": coupon_id(frame, of.coupon), "type": "coupon"},
        "start": instant_of(of.start),
        "subscription": frame.of("subscription", timeline),
        "subscription_item": None,
    }
