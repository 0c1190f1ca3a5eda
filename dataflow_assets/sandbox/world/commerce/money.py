"""Amounts in minor units: shares of them, what card networks allow, other currencies, fees. Integers throughout."""

from dataflow_assets.sandbox.world.accounts import Market

_THREE_DECIMALS = 3
_RATE_UNIT = 1_000_000
_FEE_PER_MILLE = 29
_FIXED_FEE = 25  # euro cents
_DISPUTE_FEE = 1_500  # euro cents


def share(amount: int, part: int, whole: int) -> int:
    """`amount * part / whole`, halves away from zero, as bills are rounded."""
    scaled = 2 * abs(amount) * part + whole
    rounded = scaled // (2 * whole)
    return rounded if amount >= 0 else -rounded


def payable(amount: int, market: Market) -> int:
    """The amount as cards can be charged with it: of three decimals the last is 0."""
    return share(amount, 1, 10) * 10 if market.digits == _THREE_DECIMALS else amount


def local_price(euro_cents: int, market: Market) -> int:
    """What a price in euro cents is in the market's currency, 1 at least."""
    return max(1, payable(euro_cents * market.price_level // 1_000, market))


def rate_micros(market: Market, home: Market) -> int | None:
    """Minor units of `home` for one minor unit of `market`, in millionths; None when they share a currency.

    The rate never changes, so that what comes back for a refund is what went in.
    """
    if market.currency == home.currency:
        return None
    return share(home.price_level * _RATE_UNIT, 1, market.price_level)


def settled(amount: int, market: Market, home: Market) -> int:
    """The amount in the currency of `home`."""
    micros = rate_micros(market, home)
    return amount if micros is None else share(amount, micros, _RATE_UNIT)


def card_fee(amount: int, home: Market) -> int:
    """What is kept of a settled card payment: a share and a fixed part."""
    return share(amount, _FEE_PER_MILLE, 1_000) + local_price(_FIXED_FEE, home)


def dispute_fee(home: Market) -> int:
    """What a dispute costs, however it ends."""
    return local_price(_DISPUTE_FEE, home)
