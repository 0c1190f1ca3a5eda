"""Queries in GAQL, and the pages of their answers."""

import re
from collections.abc import AsyncIterator
from typing import TypeVar

import msgspec

from dataflow_assets.connectors.base import Page, Stream
from dataflow_assets.connectors.google_ads.answers import decode_envelope
from dataflow_assets.connectors.google_ads.streams import NAME
from dataflow_assets.resources.failures import Fatal, Retryable
from dataflow_assets.resources.http import Caller, Request

_Row = TypeVar("_Row")
_UPPER = re.compile(r"[A-Z]")


def select(stream: Stream) -> str:
    """The query for everything that a stream has."""
    # The names of the fields in GAQL are those of the JSON in another spelling.
    fields = ", ".join(_UPPER.sub(lambda m: f"_{m[0].lower()}", column.path) for column in stream.columns)
    return f"SELECT {fields} FROM {stream.endpoint}"  # noqa: S608  GAQL, of declared names


async def pages(caller: Caller, customer: str, query: str) -> AsyncIterator[Page]:
    """Pages of what a query finds in one account. Raises Retryable when paging does not move on."""
    # Without it every row brings the name of each of its resources along, which the ids say as well.
    body = {"query": f"{query} PARAMETERS omit_unselected_resource_names=true"}
    token = ""
    while True:
        path = f"customers/{customer}/googleAds:search"
        if token:
            # Google charges further pages nothing.
            reply = await caller.send(Request(method="POST", path=path, json={**body, "pageToken": token}, cost=0))
        else:
            reply = await caller.post_json(path, body)
        envelope = decode_envelope(reply.body)
        yield Page(envelope.results)
        # A short or even empty page is not the end; only a missing token is.
        if not envelope.next_page_token:
            return
        if envelope.next_page_token == token:
            raise Retryable("paging does not move on.", vendor=NAME, account=caller.account)
        token = envelope.next_page_token


async def rows_of(
    caller: Caller, customer: str, query: str, decoder: msgspec.json.Decoder[list[_Row]]
) -> AsyncIterator[_Row]:
    """Rows for our own use, decoded. Raises Fatal for ones of another shape than documented."""
    async for page in pages(caller, customer, query):
        try:
            rows = decoder.decode(page.records)
        except msgspec.ValidationError as error:
            raise Fatal(
                f"Google sent a row that is not as documented: {error}.", vendor=NAME, account=customer
            ) from None
        for row in rows:
            yield row
