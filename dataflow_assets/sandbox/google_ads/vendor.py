"""Google Ads as a vendor of the sandbox: its HTTP side and what the control plane may ask of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.google_ads.api import ENDPOINTS, FAULTS, NAME, AdsApi
from dataflow_assets.sandbox.google_ads.requests import Call
from dataflow_assets.sandbox.google_ads.truth import tell

PREFIX = "/google"


def google_ads(core: Core) -> Vendor:
    """The Google Ads API over the shared world."""
    api = AdsApi(core)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body() if request.method == "POST" else b""
        # Decoded, for some clients write the colon of `googleAds:search` as %3A.
        path = str(scope["path"]).removeprefix(PREFIX)
        answer = api.answer(Call(request.method, path, dict(request.headers), body))
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
