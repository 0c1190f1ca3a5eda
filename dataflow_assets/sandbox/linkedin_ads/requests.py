"""A request as LinkedIn understands it: path, Rest.li method and parameters, of the address or a tunnelled body."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from dataflow_assets.sandbox.linkedin_ads import restli
from dataflow_assets.sandbox.linkedin_ads.errors import RestError, invalid_param, not_reproduced, unknown_param

_BEARER = "bearer "
_FORM = "application/x-www-form-urlencoded"
_NEWEST_PROTOCOL, _OLD_PROTOCOLS = "2.0.0", (None, "1.0.0")
# The brackets of structure; with protocol 1.0 they mean nothing, so what was meant by them is lost.
_STRUCTURE = ("(", ")")


@dataclass(frozen=True)
class Incoming:
    """An HTTP request: `path` and `query` as they came, percent-encoded; names of headers in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True)
class Call:
    """One call. `params` hold what stood behind each name, still encoded; `path` is decoded."""

    path: tuple[str, ...]
    params: Mapping[str, str]
    method: str | None
    protocol: str | None

    def check(self, known: Container[str]) -> None:
        """Raise RestError for a parameter that is not known."""
        for name in self.params:
            if name not in known:
                raise unknown_param(name)

    def value(self, name: str) -> restli.Value | None:
        """A parameter, whatever it is; None when it is absent. RestError when it cannot be read."""
        raw = self.params.get(name)
        if raw is None:
            return None
        if self.protocol in _OLD_PROTOCOLS:
            if any(mark in raw for mark in _STRUCTURE):
                raise invalid_param(name, "X-Restli-Protocol-Version 2.0.0 is needed to read it")
            return unquote(raw)
        try:
            return restli.parse(raw)
        except ValueError as error:
            raise invalid_param(name, f"wrong type or other syntax error, {error}") from None

    def text(self, name: str) -> str | None:
        """A parameter that is one text, number or enumeration member, which may be wrapped as `(value:X)`."""
        value = self.value(name)
        return None if value is None else as_text(value, name)

    def texts(self, name: str) -> list[str] | None:
        """A parameter that is a list of texts."""
        value = self.value(name)
        return None if value is None else as_texts(value, name)

    def record(self, name: str) -> dict[str, restli.Value] | None:
        """A parameter that is an object."""
        value = self.value(name)
        return None if value is None else as_record(value, name)

    def whole(self, name: str, default: int) -> int:
        """A parameter that is a whole number and not negative."""
        text = self.text(name)
        return default if text is None else as_whole(text, name)

    def fields(self) -> tuple[str, ...] | None:
        """The names joined by commas in `fields`, the one parameter that is written as in protocol 1.0."""
        raw = self.params.get("fields")
        if raw is None:
            return None
        text = unquote(raw)
        if any(mark in text for mark in "():"):
            raise not_reproduced("fields", "a choice of fields inside of fields")
        return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def as_text(value: Any, name: str) -> str:
    """A text out of a value; RestError when it is something else."""
    if isinstance(value, dict) and value.keys() == {"value"}:
        value = value["value"]
    if not isinstance(value, str):
        raise invalid_param(name)
    return value


def as_texts(value: Any, name: str) -> list[str]:
    """A list of texts out of a value; RestError when it is something else."""
    if not isinstance(value, list):
        raise invalid_param(name)
    return [as_text(item, name) for item in value]


def as_record(value: Any, name: str) -> dict[str, restli.Value]:
    """An object out of a value; RestError when it is something else."""
    if not isinstance(value, dict):
        raise invalid_param(name)
    return value


def as_whole(value: Any, name: str) -> int:
    """A whole number, not negative, out of a value; RestError when it is something else."""
    text = as_text(value, name)
    if not text.isascii() or not text.isdigit():
        raise invalid_param(name)
    return int(text)


def bearer(incoming: Incoming) -> str:
    """The access token of a request; empty when it has none."""
    text = incoming.headers.get("authorization", "")
    return text[len(_BEARER) :].strip() if text.lower().startswith(_BEARER) else ""


def read_call(incoming: Incoming, longest_query: int) -> Call:
    """What a request below `/rest` asks for.

    Raises:
        RestError: 405 for anything but reading, 414 for an address that is too long, 415 for a tunnel of the wrong
            type, 400 for what cannot be read.
    """
    protocol = incoming.headers.get("x-restli-protocol-version")
    if protocol != _NEWEST_PROTOCOL and protocol not in _OLD_PROTOCOLS:
        raise RestError(400, f"Rest.li protocol version {protocol} is not supported")
    path = tuple(_path_key(part, protocol) for part in incoming.path.split("/") if part)
    method = incoming.headers.get("x-restli-method")
    return Call(path, _params(_query(incoming, longest_query)), method and method.upper(), protocol)


def _query(incoming: Incoming, longest: int) -> str:
    """The query string; that of a GET sent as a POST stands in its body."""
    if incoming.method == "GET":
        if len(incoming.query) > longest:
            raise RestError(414, "Request-URI Too Long")
        return incoming.query
    if incoming.method != "POST" or incoming.headers.get("x-http-method-override", "").upper() != "GET":
        raise RestError(405, "The sandbox is read-only: it has no such method here")
    if not incoming.headers.get("content-type", "").lower().startswith(_FORM):
        raise RestError(415, f"A tunnelled query is of the type {_FORM}")
    return "&".join(part for part in (incoming.query, incoming.body.strip()) if part)


def _params(query: str) -> dict[str, str]:
    params: dict[str, str] = {}
    for part in query.split("&"):
        if not part:
            continue
        name, _, value = part.partition("=")
        name = unquote(name)
        if name in params:
            raise invalid_param(name, "it is given twice")
        params[name] = value
    return params


def _path_key(part: str, protocol: str | None) -> str:
    if protocol in _OLD_PROTOCOLS:
        return unquote(part)
    try:
        key = restli.parse(part)
    except ValueError as error:
        raise invalid_param("path", str(error)) from None
    return as_text(key, "path")
