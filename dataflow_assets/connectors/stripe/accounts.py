"""Whose data can be read: the account of each key, and connected accounts."""

import re
from collections.abc import Sequence
from dataclasses import replace
from zoneinfo import ZoneInfo

import msgspec

from dataflow_assets.connectors.base import Account
from dataflow_assets.connectors.stripe.answers import NAME
from dataflow_assets.resources.failures import Fatal, Retryable, VendorError
from dataflow_assets.resources.http import Caller
from dataflow_assets.settings import Settings
from dataflow_assets.vendor_settings import parts

UTC_ZONE = ZoneInfo("UTC")  # all times of Stripe's are UTC seconds
# A restricted key that may read everything but its own account is refused like this, and the refusal names the account.
_MAY_NOT_SEE_ITSELF = re.compile(r"required permissions for this endpoint on account '?(acct_\w+)")


class _Profile(msgspec.Struct):
    name: str | None = None


class _Told(msgspec.Struct):
    id: str
    default_currency: str | None = None
    email: str | None = None
    business_profile: _Profile | None = None


_decode = msgspec.json.Decoder(_Told).decode


async def accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    """The account of each key; then configured ones that are no key's own, as connected accounts of the first key.

    One that cannot be asked is told with its problem. A fault that passes is raised when no key could be asked.
    """
    keys = len(parts(settings.stripe.api_key))
    found: dict[str, Account] = {}
    failures: list[VendorError] = []
    for position in range(keys):
        label = f"key {position + 1} of {keys}"
        try:
            account = await _account(replace(caller, credential=position))
        except VendorError as error:
            failures.append(error)
            account = _unread(label, _said(error), credential=position)
        if account.id in found:
            # Live and test data of one account have the same account id, and would be mixed.
            other = found[account.id].credential + 1
            account = _unread(label, f"it is of the same account as key {other}. Leave one of them out.")
        found[account.id] = account
    if failures and len(failures) == keys and not any(isinstance(failure, Fatal) for failure in failures):
        raise failures[0]
    unknown = [account.id for account in found.values() if account.problem]
    for name in settings.stripe.account_ids:
        if name not in found:
            headers = {"Stripe-Account": name}
            try:
                account = await _account(replace(caller, headers=headers))
            except VendorError as error:
                hint = f" Perhaps it is the account of {', '.join(unknown)}, which was not read either." * bool(unknown)
                account = _unread(name, _said(error) + hint)
            found[name] = replace(account, id=name, headers=headers)
    return list(found.values())


async def _account(caller: Caller) -> Account:
    try:
        told = _decode((await caller.get("account")).body)
    except Fatal as error:
        named = _MAY_NOT_SEE_ITSELF.search(error.message)
        if named is None:
            raise
        return Account(named[1], named[1], "", UTC_ZONE, credential=caller.credential)
    except msgspec.DecodeError:
        raise Retryable("the answer is not an account.", vendor=NAME) from None
    name = (told.business_profile.name if told.business_profile else None) or told.email or told.id
    return Account(told.id, name, (told.default_currency or "").upper(), UTC_ZONE, credential=caller.credential)


def _unread(name: str, problem: str, *, credential: int = 0) -> Account:
    return Account(name, "", "", UTC_ZONE, problem, credential)


def _said(error: VendorError) -> str:
    return f"{error.message} {error.hint}".strip()
