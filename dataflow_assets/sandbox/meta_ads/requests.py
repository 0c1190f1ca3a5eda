"""A request as Meta understands it: method, version, path and parameters, wherever in the request they stood."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from dataflow_assets.sandbox.meta_ads.errors import GraphError, invalid

Fields = dict[str, "Fields | None"]

_VERSION = re.compile(r"v(\d{1,3})\.\d+")
_FIELD = re.compile(r"\s*([A-Za-z0-9_]+)\s*")
_TRUE = frozenset({"true", "1"})
_SECRET = frozenset({"access_token", "appsecret_proof"})


@dataclass(frozen=True)
class Call:
    """One call. `path` has neither version nor empty parts; `base` is the address in front of the version."""

    method: str
    version: str | None
    path: tuple[str, ...]
    params: Mapping[str, str]
    base: str

    @property
    def version_number(self) -> int | None:
        """26 for v26.0; None when the path began without a version."""
        match = _VERSION.fullmatch(self.version or "")
        return int(match[1]) if match else None

    def json(self, name: str) -> Any:
        """A parameter that may be JSON text; None when absent. Text that does not look like JSON stays text."""
        text = self.params.get(name)
        if text is None:
            return None
        if text[:1] in ("{", "[", '"'):
            try:
                return msgspec.json.decode(text)
            except msgspec.DecodeError:
                raise invalid(f"Param {name} must be valid JSON") from None
        return text

    def strings(self, name: str) -> list[str] | None:
        """A list parameter: a JSON array, or text joined by commas."""
        value = self.json(name)
        if value is None:
            return None
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        if isinstance(value, list) and all(isinstance(part, str) for part in value):
            return value
        raise invalid(f"Param {name} must be an array of strings")

    def flag(self, name: str) -> bool:
        """A yes or no; absent is no."""
        return self.params.get(name, "").lower() in _TRUE

    def fields(self) -> Fields | None:
        """The fields asked for, each with the fields inside it; None when none were named."""
        names = self.strings("fields") if self.params.get("fields", "").startswith("[") else None
        text = ",".join(names) if names is not None else self.params.get("fields", "")
        if not text.strip():
            return None
        fields, end = _fields(text, 0)
        if end != len(text):
            raise _syntax(text, end)
        return fields

    def next_url(self, limit: int, after: str) -> str:
        """The address of the next page. As with Meta it holds the token, which clients must keep out of their logs."""
        params = {name: value for name, value in self.params.items() if name != "appsecret_proof"}
        query = urlencode({**params, "limit": limit, "after": after})
        return f"{self.base}/{self.version}/{'/'.join(self.path)}?{query}"


def read_call(method: str, path: str, query: str, form: str, base: str) -> Call:
    """Put a request together. Parameters of a form win over those of the query."""
    parts = [part for part in path.split("/") if part]
    version = parts.pop(0) if parts and _VERSION.fullmatch(parts[0]) else None
    params = dict(parse_qsl(query, keep_blank_values=True)) | dict(parse_qsl(form, keep_blank_values=True))
    return Call(method, version, tuple(parts), params, base)


def read_item(outer: Call, method: str, relative_url: str, body: str) -> Call:
    """An item of a batch: it inherits version and token from the batch."""
    url = urlsplit(relative_url)
    call = read_call(method.upper(), url.path, url.query, body, outer.base)
    inherited = {name: value for name, value in outer.params.items() if name in _SECRET}
    return Call(call.method, call.version or outer.version, call.path, inherited | dict(call.params), outer.base)


def _fields(text: str, start: int) -> tuple[Fields, int]:
    fields: Fields = {}
    position = start
    while True:
        match = _FIELD.match(text, position)
        if match is None:
            raise _syntax(text, position)
        name, position = match[1], match.end()
        inner: Fields | None = None
        if position < len(text) and text[position] == "{":
            inner, position = _fields(text, position + 1)
            if position >= len(text) or text[position] != "}":
                raise _syntax(text, position)
            position += 1
        fields[name] = inner
        if position >= len(text) or text[position] != ",":
            return fields, position
        position += 1


def _syntax(text: str, position: int) -> GraphError:
    found = f'unexpected "{text[position]}"' if position < len(text) else "unexpected end of string"
    return GraphError(2500, f"Syntax error at character {position}: {found} in fields")
