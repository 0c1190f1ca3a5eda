"""Keys and accounts. Key and account have the same number; the first key may also act for the other accounts."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from dataflow_assets.sandbox.stripe import ids
from dataflow_assets.sandbox.stripe.errors import bad_key, no_access, no_key, no_permission
from dataflow_assets.sandbox.world.commerce import Commerce, Seller

_KEY = re.compile(r"(sk|rk)_test_sandbox_(0|[1-9]\d*)")


@dataclass(frozen=True)
class Caller:
    """Who calls: the key, and the account it acts for."""

    key: str
    seller: Seller

    @property
    def account(self) -> str:
        """The id of the account."""
        return ids.account_id(self.seller.index)


def secret_key(account: int) -> str:
    """The key of an account that may do everything."""
    return f"sk_test_sandbox_{account}"


def restricted_key(account: int) -> str:
    """The key of an account that may only read."""
    return f"rk_test_sandbox_{account}"


def identify(commerce: Commerce, method: str, headers: Mapping[str, str]) -> Caller:
    """Who calls.

    Raises:
        StripeError: 401 without a key or with a wrong one, 403 for an account out of reach or a right not had.
    """
    key = _key(headers.get("authorization", ""))
    match = _KEY.fullmatch(key)
    if match is None or int(match[2]) >= len(commerce.sellers):
        raise bad_key(key)
    caller = Caller(key, commerce.sellers[int(match[2])])
    acts_for = headers.get("stripe-account")
    if acts_for is not None:
        reach = commerce.sellers if caller.seller.index == 0 else (caller.seller,)
        found = next((seller for seller in reach if ids.account_id(seller.index) == acts_for), None)
        if found is None:
            raise no_access(key, acts_for)
        caller = Caller(key, found)
    if match[1] == "rk" and method != "GET":
        raise no_permission(key, "rak_write", caller.account)
    return caller


def _key(header: str) -> str:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() == "bearer" and rest.strip():
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(rest).decode().partition(":")[0]
        except (binascii.Error, ValueError):
            raise bad_key("?") from None
    raise no_key()
