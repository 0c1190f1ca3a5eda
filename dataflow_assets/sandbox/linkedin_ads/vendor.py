"""LinkedIn as a vendor of the sandbox: its HTTP side and what the control plane may ask of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.linkedin_ads.api import FAULTS, LinkedInApi
from dataflow_assets.sandbox.linkedin_ads.endpoints import ENDPOINTS
from dataflow_assets.sandbox.linkedin_ads.ids import NAME
from dataflow_assets.sandbox.linkedin_ads.requests import Incoming
from dataflow_assets.sandbox.linkedin_ads.truth import tell

PREFIX = "/linkedin"


def linkedin_ads(core: Core) -> Vendor:
    """LinkedIn's Marketing API and its OAuth over the shared world."""
    api = LinkedInApi(core)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body() if request.method == "POST" else b""
        # As they came: once decoded, the brackets of structure cannot be told from those of values.
        path = scope["raw_path"].decode("ascii", errors="replace").removeprefix(PREFIX)
        query = scope["query_string"].decode("ascii", errors="replace")
        incoming = Incoming(request.method, path, query, request.headers, body.decode(errors="replace"))
        await api.answer(incoming)(scope, receive, send)

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
