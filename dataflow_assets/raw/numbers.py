"""Numbers as a vendor writes them, bare or as a string: judged many at a time, and kept as text.

PostgreSQL's numeric takes digits as they were written. Building a number of each only to write it out again took a
third of the time of decoding.
"""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import msgspec

LARGEST_EXPONENT = 1_000  # anywhere: PostgreSQL refuses absurd ones even inside jsonb
MOST_DIGITS = 28  # of a column: what the contract's frame holds, with nine decimals

_DIGITS_AS_0 = bytes.maketrans(b"123456789", b"0" * 9)
_NUMBERS_AS_0 = bytes.maketrans(b"123456789.-", b"0" * 11)
_TOO_LONG = b"0" * (MOST_DIGITS + 1)
_PLAIN = re.compile(rb'("?)-?0+(\.0+)?\1')
_NULL = b"null"
_json = msgspec.json.Encoder().encode


def plain_numbers(
    written: Sequence[msgspec.Raw], *, can_be_null: bool, can_be_negative: bool
) -> list[str | None] | None:
    """The digits of JSON numbers, or of strings of digits. None: not all are surely good, and each is to be judged."""
    if not written:
        return []
    joined = b",".join(written)
    shapes = set(joined.translate(_DIGITS_AS_0).split(b","))
    has_nulls = _NULL in shapes
    if has_nulls and not can_be_null:
        return None
    if not can_be_negative and b"-" in joined:
        return None
    if not all(map(_is_plain, shapes - {_NULL})):
        return None
    digits: list[str | None] = joined.replace(b'"', b"").decode().split(",")  # type: ignore[assignment]  # widened
    return [None if text == "null" else text for text in digits] if has_nulls else digits


@lru_cache(4096)
def _is_plain(shape: bytes) -> bool:
    return len(shape) <= MOST_DIGITS and _PLAIN.fullmatch(shape) is not None


def are_plain(numbers: Sequence[Decimal | None], low: Decimal | None) -> bool:
    """Whether all are surely good, told at a glance: few characters, no exponent, no NaN, not below the bound."""
    text = _json(numbers)
    told = text.translate(_NUMBERS_AS_0)
    if _TOO_LONG in told or told.translate(None, b'0,"[]').replace(_NULL, b""):
        return False
    if low is None or (low == 0 and b"-" not in text):
        return True
    return min((number for number in numbers if number is not None), default=low) >= low


def is_storable(number: Decimal, largest: int = LARGEST_EXPONENT) -> bool:
    """Whether PostgreSQL takes it, with at most so many digits before the point."""
    return number.is_finite() and -LARGEST_EXPONENT <= number.adjusted() <= largest
