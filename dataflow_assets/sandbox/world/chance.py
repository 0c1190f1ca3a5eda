"""Chance that repeats: from the name of a thing and a number come the same eight draws in every process.

Python's own `hash` changes with each process and `random.Random` is slow to seed, so draws are a keyed digest.
All arithmetic on draws is on integers, so no platform rounds differently.
"""

from hashlib import blake2b
from struct import Struct

Draws = tuple[int, int, int, int, int, int, int, int]

_EIGHT = Struct("<8I")


def salt(*name: object) -> bytes:
    """Sixteen bytes that stand for a thing, from the words that name it."""
    return blake2b("/".join(map(str, name)).encode(), digest_size=16).digest()


def draws(thing: bytes, number: int) -> Draws:
    """Eight independent draws, each in [0, 2**32), for the thing's `number`-th occasion (often a day)."""
    digest = blake2b(thing + number.to_bytes(8, "little"), digest_size=32).digest()
    return _EIGHT.unpack(digest)


def between(draw: int, low: int, high: int) -> int:
    """Scale a draw to an integer in [low, high]."""
    return low + (draw * (high - low + 1) >> 32)
