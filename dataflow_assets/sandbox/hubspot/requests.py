"""A request as HubSpot understands it: where it goes, parameters (repeated or joined by commas), a JSON body."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

from dataflow_assets.sandbox.hubspot.errors import HubSpotError, invalid, invalid_field, no_route
from dataflow_assets.sandbox.world.crm import Kind

DATED = frozenset({"2026-03", "2026-09"})
"""The versions named by a date."""

_BEARER = "bearer "
_MOST_DIGITS = 18
_FLAGS = {"true": True, "false": False}
# Plural names, singular ones and numbers mean the same.
KINDS = {
    **dict.fromkeys(("contacts", "contact", "0-1"), Kind.CONTACT),
    **dict.fromkeys(("companies", "company", "0-2"), Kind.COMPANY),
    **dict.fromkeys(("deals", "deal", "0-3"), Kind.DEAL),
}
# What there is below `/crm`, and the version it has besides the dated ones.
_RESOURCES = {"objects": "v3", "owners": "v3", "pipelines": "v3", "properties": "v3", "associations": "v4"}


@dataclass(frozen=True)
class Incoming:
    """An HTTP request: `path` and `query` as they came, percent-encoded; `base` is the address of the vendor."""

    method: str
    base: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def bearer(self) -> str:
        """The access token; empty when there is none."""
        given = self.headers.get("authorization", "")
        return given[len(_BEARER) :].strip() if given.lower().startswith(_BEARER) else ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The path, decoded; a slash at its end means nothing."""
        return tuple(unquote(part) for part in self.path.split("/") if part)


@dataclass(frozen=True)
class Call:
    """One call: what it is about, without the version, and what was said with it."""

    incoming: Incoming
    path: tuple[str, ...]
    params: Mapping[str, tuple[str, ...]]

    @property
    def url(self) -> str:
        """The address without its query."""
        return f"{self.incoming.base}{self.incoming.path}"

    def check(self, known: Collection[str]) -> None:
        """Raise HubSpotError for a parameter that is not known."""
        for name in self.params:
            if name not in known:
                raise invalid_field(name, "there is no such parameter, or the sandbox does not reproduce it")

    def values(self, name: str) -> tuple[str, ...]:
        """Everything given under a name: repeated, joined by commas, or both."""
        given = (part.strip() for value in self.params.get(name, ()) for part in value.split(","))
        return tuple(dict.fromkeys(part for part in given if part))

    def value(self, name: str) -> str | None:
        """A parameter that is given once at most."""
        given = self.params.get(name, ())
        if len(given) > 1:
            raise invalid_field(name, "it is given more than once")
        return given[0] if given else None

    def flag(self, name: str) -> bool:
        """Yes or no, in any letter case; no when it is not given."""
        given = self.value(name) or "false"
        if given.lower() not in _FLAGS:
            raise invalid_field(name, "it must be true or false")
        return _FLAGS[given.lower()]

    def limit(self, default: int, most: int) -> int:
        """The page size."""
        given = self.value("limit")
        return default if given is None else as_limit(given, most)

    def json(self) -> dict[str, Any]:
        """The body. Raises HubSpotError when it is no JSON object, or does not say that it is JSON."""
        if not self.incoming.headers.get("content-type", "").lower().startswith("application/json"):
            raise HubSpotError(415, "The body must be of the type application/json")
        try:
            body = msgspec.json.decode(self.incoming.body)
        except msgspec.DecodeError as error:
            raise invalid(f"Invalid input JSON: {error}") from None
        if not isinstance(body, dict):
            raise invalid("Invalid input JSON: it must be an object")
        return body

    def link(self, **changes: str) -> str:
        """The address of this call with some parameters changed."""
        kept = [(name, value) for name, values in self.params.items() if name not in changes for value in values]
        return f"{self.url}?{urlencode([*kept, *changes.items()])}"


def as_limit(given: str, most: int) -> int:
    """A page size out of a text. Raises HubSpotError when it is none, or too big."""
    if not is_whole(given) or not 1 <= int(given) <= most:
        raise invalid_field("limit", f"it must be a whole number from 1 to {most}")
    return int(given)


def is_whole(text: str) -> bool:
    """Whether a text is a whole number, not negative, of a size that means something."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def kind_of(name: str) -> Kind:
    """What a name in a path stands for. Raises HubSpotError for what the sandbox has no records of."""
    if name.lower() not in KINDS:
        raise HubSpotError(400, f"Unable to infer object type from: {name}", "VALIDATION_ERROR")
    return KINDS[name.lower()]


def read_call(incoming: Incoming, longest_url: int) -> Call:
    """What a request asks for; the path loses its version.

    Raises:
        HubSpotError: 404 for an address that does not exist, 414 for one that is too long.
    """
    if len(incoming.path) + len(incoming.query) > longest_url:
        raise HubSpotError(414, "The address is too long")
    params: dict[str, tuple[str, ...]] = {}
    for name, value in parse_qsl(incoming.query, keep_blank_values=True):
        params[name] = (*params.get(name, ()), value)
    return Call(incoming, _without_version(incoming), params)


def _without_version(incoming: Incoming) -> tuple[str, ...]:
    match incoming.parts:
        case ("crm", "v4", "objects", kind, record, "associations", to):
            return ("linked", kind, record, to)
        case ("crm", version, resource, *rest) if _RESOURCES.get(resource) == version:
            return (resource, *rest)
        case ("crm", resource, version, *rest) if resource in _RESOURCES and version in DATED:
            return (resource, *rest)
        case ("account-info", version, "details") if version in {"v3", *DATED}:
            return ("details",)
    raise no_route(incoming.path)
