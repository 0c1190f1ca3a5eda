"""Meta as a vendor of the sandbox: its HTTP side and what the control plane may ask of it."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.meta_ads.api import FAULTS, MetaApi
from dataflow_assets.sandbox.meta_ads.endpoints import ENDPOINTS, NAME
from dataflow_assets.sandbox.meta_ads.requests import read_call
from dataflow_assets.sandbox.meta_ads.truth import tell

PREFIX = "/meta"
_BEARER = "bearer "


def meta_ads(core: Core) -> Vendor:
    """Meta's Marketing API over the shared world."""
    api = MetaApi(core)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body() if request.method == "POST" else b""
        path = request.url.path.removeprefix(PREFIX)
        query = request.url.query
        bearer = request.headers.get("authorization", "")
        if bearer.lower().startswith(_BEARER):
            # First, so that a token written out in the query or form wins.
            query = f"{urlencode({'access_token': bearer[len(_BEARER) :].strip()})}&{query}"
        base = f"{request.url.scheme}://{request.url.netloc}{PREFIX}"
        answer = api.answer(read_call(request.method, path, query, body.decode(errors="replace"), base))
        await answer(scope, receive, send)

    def truth(stream: str, query: TruthQuery) -> Iterator[Mapping[str, Any]]:
        return tell(core, stream, query)

    return Vendor(
        name=NAME,
        prefix=PREFIX,
        app=app,
        faults=FAULTS,
        endpoints=ENDPOINTS,
        truth=truth,
        limits=lambda: msgspec.to_builtins(api.accounting.limits),
        configure=api.accounting.configure,
        reset_limits=api.accounting.reset,
    )
