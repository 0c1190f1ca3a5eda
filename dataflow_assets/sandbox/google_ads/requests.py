"""Requests as they came in, and the JSON bodies of `search` and `searchStream`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from dataflow_assets.sandbox.google_ads.errors import bad_payload, bad_request, not_reproduced
from dataflow_assets.sandbox.google_ads.fields import camel

Body = TypeVar("Body")


@dataclass(frozen=True)
class Call:
    """One request. `path` begins behind `/google`; names of headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class SearchSettings(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What else `search` should tell."""

    omit_results: bool = False
    return_summary_row: bool = False
    return_total_results_count: bool = False


class SearchBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `search`."""

    query: str = ""
    page_token: str = ""
    page_size: int | str = 0
    validate_only: bool = False
    search_settings: SearchSettings = msgspec.field(default_factory=SearchSettings)


class StreamBody(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """The body of `searchStream`."""

    query: str = ""
    summary_row_setting: str = "UNSPECIFIED"


def read_body(call: Call, *, stream: bool) -> SearchBody:
    """The body of a call; that of `searchStream` as one of `search` without pages.

    Raises:
        AdsError: it is not the JSON of such a request, has a page size, or lacks the query.
    """
    body = _stream_body(call) if stream else _convert(call, SearchBody)
    if not body.query.strip():
        raise bad_request("REQUIRED_FIELD_MISSING", "Required field is missing: query.")
    if str(body.page_size) != "0":
        raise bad_request("PAGE_SIZE_NOT_SUPPORTED", "Setting the page size is not supported: pages have a fixed size.")
    if body.validate_only and body.page_token:
        raise bad_request("VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN", "A request to validate has no page token.")
    if body.search_settings.return_summary_row:
        raise not_reproduced("summary rows")
    return body


def _stream_body(call: Call) -> SearchBody:
    body = _convert(call, StreamBody)
    if body.summary_row_setting not in ("UNSPECIFIED", "UNKNOWN", "NO_SUMMARY_ROW"):
        raise not_reproduced("summary rows")
    return SearchBody(body.query)


def _convert(call: Call, kind: type[Body]) -> Body:
    try:
        raw = msgspec.json.decode(call.body or b"{}")
        return msgspec.convert(_camelled(raw), kind)
    except msgspec.ValidationError as error:
        raise bad_payload("", f"Invalid JSON payload received. {error}") from None
    except msgspec.DecodeError:
        raise bad_payload("", "Invalid JSON payload received. Unable to parse it.") from None


def _camelled(value: Any) -> Any:
    """Names may come in either spelling: `page_token` is `pageToken`."""
    return {camel(name): _camelled(inner) for name, inner in value.items()} if isinstance(value, dict) else value
