"""Products, prices (and the plans they once were), coupons."""

from typing import Any

from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row
from dataflow_assets.sandbox.world.commerce.catalog import (
    DESCRIBED_PRODUCT,
    ONE_OFF,
    PERCENT_MONTHS,
    PERCENT_OFF,
    PRODUCT_NAMES,
    RETIRED_PRICE,
    Coupon,
    Price,
)
from dataflow_assets.sandbox.world.commerce.keys import CATALOGUE
from dataflow_assets.sandbox.world.commerce.records import instant_of
from dataflow_assets.sandbox.world.customers import markets


def product_id(frame: Frame, product: int) -> str:
    """The id of a product by its number."""
    return frame.id("product", CATALOGUE + frame.seller.index, product)


def price_id(frame: Frame, price: Price) -> str:
    """The id of a price."""
    return frame.id("price", CATALOGUE + frame.seller.index, price.serial)


def coupon_id(frame: Frame, coupon: int) -> str:
    """The id of a coupon by its serial."""
    return frame.id("coupon", CATALOGUE + frame.seller.index, coupon)


def product(frame: Frame, number: int, tick: int) -> Row:
    """A product."""
    seller = frame.seller
    created = instant_of(seller.product_created(number))
    is_described = number == DESCRIBED_PRODUCT and instant_of(tick) >= seller.described
    default = seller.price(number, markets()[0], yearly=False)
    return {
        "id": product_id(frame, number),
        "object": "product",
        "active": True,
        "created": created,
        "default_price": price_id(frame, default),
        "description": f"{PRODUCT_NAMES[number]}, with support by mail" if is_described else None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {"sku": f"P{number + 1}"},
        "name": PRODUCT_NAMES[number],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None if number == ONE_OFF else "seat",
        "updated": seller.described if is_described else created,
        "url": None,
    }


def price(frame: Frame, of: Price, tick: int) -> Row:
    """A price."""
    recurring: Row | None = None
    if of.interval is not None:
        recurring = {
            "interval": of.interval,
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        }
    return {
        "id": price_id(frame, of),
        "object": "price",
        "active": _is_active(frame, of, tick),
        "billing_scheme": "per_unit",
        "created": instant_of(frame.seller.price_created(of.serial)),
        "currency": of.market.currency.lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None if of.serial == RETIRED_PRICE else _lookup_key(of),
        "metadata": {},
        "nickname": None,
        "product": product_id(frame, of.product),
        "recurring": recurring,
        "tax_behavior": "exclusive",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": of.amount,
        "unit_amount_decimal": str(of.amount),
    }


def plan(frame: Frame, of: Price, tick: int) -> Row:
    """A recurring price as the plan it was called before there were prices; items still carry it."""
    return {
        "id": price_id(frame, of),
        "object": "plan",
        "active": _is_active(frame, of, tick),
        "amount": of.amount,
        "amount_decimal": str(of.amount),
        "billing_scheme": "per_unit",
        "created": instant_of(frame.seller.price_created(of.serial)),
        "currency": of.market.currency.lower(),
        "interval": of.interval,
        "interval_count": 1,
        "livemode": False,
        "metadata": {},
        "meter": None,
        "nickname": None,
        "product": product_id(frame, of.product),
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def coupon(frame: Frame, of: Coupon, tick: int) -> Row:
    """A coupon."""
    terms: dict[str, Any] = {
        "amount_off": of.amount_off,
        "currency": of.market.currency.lower() if of.market else None,
        "duration": "once" if of.market else "repeating",
        "duration_in_months": None if of.market else PERCENT_MONTHS,
        "name": f"Thanks {of.market.currency}" if of.market else "Welcome",
        "percent_off": None if of.market else float(PERCENT_OFF),
    }
    return {
        "id": coupon_id(frame, of.serial),
        "object": "coupon",
        "created": instant_of(frame.seller.coupon_created(of.serial)),
        "livemode": False,
        "max_redemptions": None,
        "metadata": {},
        "redeem_by": None,
        "times_redeemed": frame.redeemed(of.serial, instant_of(tick)),
        "valid": True,
        **terms,
    }


def _is_active(frame: Frame, of: Price, tick: int) -> bool:
    return of.serial != RETIRED_PRICE or instant_of(tick) < frame.seller.retired


def _lookup_key(of: Price) -> str:
    word = PRODUCT_NAMES[of.product].split()[0].lower()
    return f"{word}_{of.interval or 'once'}_{of.market.currency.lower()}"
