"""HubSpot as a vendor of the sandbox: its HTTP side and what the control plane may ask of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.hubspot.api import FAULTS, HubSpotApi
from dataflow_assets.sandbox.hubspot.endpoints import ENDPOINTS
from dataflow_assets.sandbox.hubspot.ids import NAME
from dataflow_assets.sandbox.hubspot.requests import Incoming
from dataflow_assets.sandbox.hubspot.truth import tell

PREFIX = "/hubspot"


def hubspot(core: Core) -> Vendor:
    """HubSpot's CRM API and its OAuth over the shared world."""
    api = HubSpotApi(core)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body() if request.method == "POST" else b""
        base = f"{request.url.scheme}://{request.url.netloc}{PREFIX}"
        path = scope["raw_path"].decode("ascii", errors="replace").removeprefix(PREFIX)
        query = scope["query_string"].decode("ascii", errors="replace")
        await api.answer(Incoming(request.method, base, path, query, request.headers, body))(scope, receive, send)

    def truth(stream: str, query: TruthQuery) -> Iterator[Mapping[str, Any]]:
        return tell(core, api.portals, stream, query)

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
