"""Stripe's ids for things of the world, and back. They are arithmetic, so nothing has to be looked up.

An id is a number of 80 bits (owner, serial, kind, a check) stirred and written in letters of both cases, so that it can
neither be guessed nor compared without regard to case. Most kinds have, as with Stripe, a part common to their account.
"""

from functools import lru_cache
from typing import NamedTuple

NAME = "stripe"

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(first + second for first in _LETTERS for second in _LETTERS)  # two at a time: ids are most of a page
_VALUES = {pair: value for value, pair in enumerate(_PAIRS)}
_BITS = 80
_MASK = (1 << _BITS) - 1
_SHIFT = 41  # more than half, so that shifting twice undoes it
_FACTOR = 0x9E37_79B9_7F4A_7C15_F39D
_INVERSE = pow(_FACTOR, -1, 1 << _BITS)
_CODE_LENGTH = 14
_ACCOUNT_PART = 9
_CHECK = 0xA7

_SERIAL_BITS, _KIND_BITS, _CHECK_BITS = 24, 8, 8

# Per kind: its prefix, and whether the account shows in it. In this order they get their numbers.
_FORMS = {
    "account": ("acct_1", False),
    "customer": ("cus_", False),
    "product": ("prod_", False),
    "price": ("price_1", True),
    "coupon": ("", False),
    "discount": ("di_1", True),
    "subscription": ("sub_1", True),
    "subscription_item": ("si_", False),
    "invoice": ("in_1", True),
    "line_item": ("il_1", True),
    "invoice_item": ("ii_1", True),
    "invoice_payment": ("inpay_1", True),
    "payment_intent": ("pi_3", True),
    "charge": ("ch_3", True),
    "refund": ("re_3", True),
    "dispute": ("du_1", True),
    "balance_transaction": ("txn_3", True),
    "payment_method": ("pm_1", True),
    "event": ("evt_1", True),
    "request": ("req_", False),
}
_NUMBERS = {kind: number for number, kind in enumerate(_FORMS)}


class Place(NamedTuple):
    """Where a thing is found: with whom, and the how manieth of its kind there."""

    owner: int
    serial: int


@lru_cache(20_000)
def write(kind: str, account: int, owner: int, serial: int = 0) -> str:
    """The id of a thing of an account."""
    prefix, shows_account = _FORMS[kind]
    packed = ((owner << _SERIAL_BITS | serial) << _KIND_BITS | _NUMBERS[kind]) << _CHECK_BITS | _CHECK
    code = _spell(_stir(packed))
    return f"{prefix}{code[:6]}{_account_part(account)}{code[6:]}" if shows_account else prefix + code


def read(kind: str, account: int, text: str) -> Place | None:
    """What an id of that kind stands for in an account; None for one that is none."""
    prefix, shows_account = _FORMS[kind]
    code = text.removeprefix(prefix)
    if shows_account:
        part = _account_part(account)
        if code[6 : 6 + _ACCOUNT_PART] != part:
            return None
        code = code[:6] + code[6 + _ACCOUNT_PART :]
    number = _count(code)
    if number is None or not text.startswith(prefix):
        return None
    packed = _unstir(number)
    if packed & 0xFFFF != _NUMBERS[kind] << _CHECK_BITS | _CHECK:
        return None
    owner, serial = divmod(packed >> _KIND_BITS + _CHECK_BITS, 1 << _SERIAL_BITS)
    return Place(owner, serial)


def account_id(index: int) -> str:
    """The id of the account of that number."""
    return write("account", index, index)


@lru_cache(256)
def _account_part(account: int) -> str:
    return _spell(_stir(account + 1 << _CHECK_BITS))[:_ACCOUNT_PART]


def _stir(number: int) -> int:
    for _ in range(2):
        number ^= number >> _SHIFT
        number = number * _FACTOR & _MASK
    return number ^ number >> _SHIFT


def _unstir(number: int) -> int:
    for _ in range(2):
        number ^= number >> _SHIFT
        number = number * _INVERSE & _MASK
    return number ^ number >> _SHIFT


def _spell(number: int) -> str:
    pairs = []
    for _ in range(_CODE_LENGTH // 2):
        number, value = divmod(number, len(_PAIRS))
        pairs.append(_PAIRS[value])
    return "".join(pairs)


def _count(code: str) -> int | None:
    """The number a code spells; None when it spells none that `_stir` makes."""
    if len(code) != _CODE_LENGTH or not code.isascii() or not code.isalnum():
        return None
    number = 0
    for at in range(_CODE_LENGTH - 2, -1, -2):
        number = number * len(_PAIRS) + _VALUES[code[at : at + 2]]
    return number if number <= _MASK else None
