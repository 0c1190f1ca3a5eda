"""A request as Stripe understands it: path, and parameters with brackets put together to lists and maps."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from dataflow_assets.sandbox.stripe.errors import bad_integer, invalid, unknown_parameter

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
_INTEGER = re.compile(r"-?\d{1,18}")

RANGE = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True)
class Call:
    """One call. `path` has no empty parts; `params` hold texts, lists of texts, or maps of texts."""

    method: str
    path: tuple[str, ...]
    params: Mapping[str, Any]
    headers: Mapping[str, str]

    @property
    def url(self) -> str:
        """The path, as Stripe tells it in lists."""
        return "/" + "/".join(self.path)

    def text(self, name: str) -> str | None:
        """A text; None when absent. Raises StripeError 400 for a list or map."""
        value = self.params.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"Invalid string: {value}", name)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; empty when absent. Raises StripeError 400 for anything else."""
        value = self.params.get(name, [])
        if not isinstance(value, list):
            raise invalid("Invalid array", name)
        return tuple(value)

    def integer(self, name: str) -> int | None:
        """An integer; None when absent. Raises StripeError 400 for anything else."""
        value = self.params.get(name)
        return None if value is None else to_integer(name, value)

    def flag(self, name: str) -> bool | None:
        """A boolean; None when absent. Raises StripeError 400 for anything but true and false."""
        value = self.params.get(name)
        if value is None or value in ("true", "false"):
            return None if value is None else value == "true"
        raise invalid(f"Invalid boolean: {value}", name)

    def span(self, name: str) -> tuple[int, int] | None:
        """A range of integers [from, to), from an exact integer or from gt, gte, lt, lte; None when absent."""
        value = self.params.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            exact = to_integer(name, value)
            return exact, exact + 1
        if not isinstance(value, dict):
            raise bad_integer(name, value)
        begin, end = 0, 1 << 40
        for word, text in value.items():
            if word not in RANGE:
                raise unknown_parameter(f"{name}[{word}]")
            bound = to_integer(f"{name}[{word}]", text)
            if word in ("gt", "gte"):
                begin = max(begin, bound + (word == "gt"))
            else:
                end = min(end, bound + (word == "lte"))
        return begin, end


def read_call(method: str, path: str, query: str, headers: Mapping[str, str]) -> Call:
    """Put a request together. `expand[]=`, `expand[0]=` and `created[gte]=` are lists and maps, encoded or not.

    Raises:
        StripeError: 400 for brackets that do not match.
    """
    params: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        match = _NAME.fullmatch(name)
        if match is None:
            raise unknown_parameter(name)
        parts = _PART.findall(match[2])
        if not parts:
            params[match[1]] = value
        elif len(parts) > 1:
            raise unknown_parameter(name)
        elif parts[0] == "" or parts[0].isdigit():
            _list(params, match[1]).append(value)
        else:
            _map(params, match[1])[parts[0]] = value
    return Call(method, tuple(part for part in path.split("/") if part), params, headers)


def to_integer(name: str, value: object) -> int:
    """The integer a text spells. Raises StripeError 400 for anything else."""
    if not isinstance(value, str) or _INTEGER.fullmatch(value) is None:
        raise bad_integer(name, value)
    return int(value)


def _list(params: dict[str, Any], name: str) -> list[str]:
    found = params.setdefault(name, [])
    if not isinstance(found, list):
        raise invalid("Invalid array", name)
    return found


def _map(params: dict[str, Any], name: str) -> dict[str, str]:
    found = params.setdefault(name, {})
    if not isinstance(found, dict):
        raise invalid("Invalid object", name)
    return found
