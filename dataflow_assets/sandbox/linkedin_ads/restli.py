"""Rest.li 2.0 values as they stand in an address: `List(a,b)`, `(key:value)`, `''`, and text with its marks encoded.

apis/linkedin_ads.md, section 1. Brackets, commas and colons are structure only when they are not percent-encoded, so a
value is taken apart first and decoded afterwards.
"""

import re
from urllib.parse import unquote

Value = str | list["Value"] | dict[str, "Value"]

_LIST = "List("
_RECORD = "("
_END = ")"
_EMPTY = "''"
_TEXT = re.compile(r"[^(),:']*")
_DEEPEST = 20  # deeper than any parameter; stops a crafted one from exhausting the stack


def parse(text: str) -> Value:
    """Read a whole value. Raises ValueError where it is not one."""
    if not text:
        return ""
    value, end = _value(text, 0, 0)
    if end != len(text):
        raise _wrong(text, end)
    return value


def _value(text: str, at: int, depth: int) -> tuple[Value, int]:
    if depth > _DEEPEST:
        raise _wrong(text, at)
    if text.startswith(_LIST, at):
        return _items(text, at + len(_LIST), depth)
    if text.startswith(_RECORD, at):
        return _pairs(text, at + len(_RECORD), depth)
    if text.startswith(_EMPTY, at):
        return "", at + len(_EMPTY)
    return _word(text, at)


def _items(text: str, at: int, depth: int) -> tuple[Value, int]:
    items: list[Value] = []
    if text.startswith(_END, at):
        return items, at + 1
    while True:
        value, at = _value(text, at, depth + 1)
        items.append(value)
        if text.startswith(_END, at):
            return items, at + 1
        at = _past(text, at, ",")


def _pairs(text: str, at: int, depth: int) -> tuple[Value, int]:
    pairs: dict[str, Value] = {}
    if text.startswith(_END, at):
        return pairs, at + 1
    while True:
        begin = at
        name, at = _word(text, at)
        if name in pairs:
            raise _wrong(text, begin)
        pairs[name], at = _value(text, _past(text, at, ":"), depth + 1)
        if text.startswith(_END, at):
            return pairs, at + 1
        at = _past(text, at, ",")


def _word(text: str, at: int) -> tuple[str, int]:
    match = _TEXT.match(text, at)
    if match is None or not match[0]:
        raise _wrong(text, at)
    return unquote(match[0], errors="strict"), match.end()


def _past(text: str, at: int, mark: str) -> int:
    if not text.startswith(mark, at):
        raise _wrong(text, at)
    return at + 1


def _wrong(text: str, at: int) -> ValueError:
    return ValueError(f"not a Rest.li 2.0 value at character {at}: {text[at : at + 20]!r}")
