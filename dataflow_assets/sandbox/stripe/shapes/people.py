"""The account that is paid, and those who pay it."""

from dataflow_assets.sandbox.stripe import ids
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row, currency_of
from dataflow_assets.sandbox.world.commerce.records import Timeline, instant_of


def account(frame: Frame) -> Row:
    """The account itself, with what matters for reporting: its currency and its time zone."""
    seller = frame.seller
    email = f"finance@{seller.market.country.lower()}{seller.index}.example"
    return {
        "id": ids.account_id(seller.index),
        "object": "account",
        "business_profile": {"mcc": "5734", "name": seller.name, "support_email": email, "url": None},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": seller.market.country,
        "created": seller.created,
        "default_currency": seller.market.currency.lower(),
        "details_submitted": True,
        "email": email,
        "metadata": {},
        "payouts_enabled": True,
        "settings": {
            "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
            "card_payments": {
                "decline_on": {"avs_failure": False, "cvc_failure": False},
                "statement_descriptor_prefix": None,
                "statement_descriptor_prefix_kana": None,
                "statement_descriptor_prefix_kanji": None,
            },
            "dashboard": {"display_name": seller.name, "timezone": seller.market.zone},
            "payments": {
                "statement_descriptor": "DATAFLOW",
                "statement_descriptor_kana": None,
                "statement_descriptor_kanji": None,
            },
        },
        "type": "standard",
    }


def customer(frame: Frame, timeline: Timeline, tick: int) -> Row:
    """A customer; of a deleted one, how they were last."""
    person = timeline.customer
    standing = timeline.standing(tick)
    return {
        "id": frame.of("customer", timeline),
        "object": "customer",
        "address": {
            "city": None,
            "country": person.market.country,
            "line1": None,
            "line2": None,
            "postal_code": None,
            "state": None,
        },
        "balance": standing.balance,
        "created": instant_of(timeline.created),
        "currency": currency_of(timeline) if standing.has_currency else None,
        "default_source": None,
        "delinquent": standing.delinquent,
        "description": f"{person.first_name} {person.last_name}",
        "discount": None,
        "email": person.email,
        "invoice_prefix": invoice_prefix(timeline),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": frame.of("payment_method", timeline),
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": {"contact_email": person.email},
        "name": person.company.name,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def deleted_customer(frame: Frame, timeline: Timeline) -> Row:
    """All that is left of a deleted customer."""
    return {"id": frame.of("customer", timeline), "object": "customer", "deleted": True}


def invoice_prefix(timeline: Timeline) -> str:
    """What the numbers of a customer's invoices begin with."""
    return timeline.customer.salt.hex()[:8].upper()
