"""The versions of the API that the sandbox speaks, and which of them an account has by default."""

from dataflow_assets.sandbox.stripe.errors import invalid
from dataflow_assets.sandbox.world.commerce import Seller

OLD = "2024-06-20"
CURRENT = "2026-10-28.endive"
VERSIONS = (OLD, CURRENT)


def default_version(seller: Seller, instant: int) -> str:
    """What an account speaks at an instant when nobody says otherwise; its events keep it for good."""
    return CURRENT if instant >= seller.modern_from else OLD


def read_version(text: str | None, default: str) -> str:
    """The version asked for. Raises StripeError 400 for one that is not reproduced."""
    if text is None:
        return default
    if text not in VERSIONS:
        known = " and ".join(VERSIONS)
        raise invalid(f"Invalid Stripe API version: {text}. The sandbox reproduces {known}.")
    return text
