"""Stripe as a vendor of the sandbox: its HTTP side and what the control plane may ask of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.stripe.api import FAULTS, StripeApi
from dataflow_assets.sandbox.stripe.endpoints import ENDPOINTS
from dataflow_assets.sandbox.stripe.ids import NAME
from dataflow_assets.sandbox.stripe.truth import tell

PREFIX = "/stripe"


def stripe(core: Core) -> Vendor:
    """Stripe's API over the shared world."""
    api = StripeApi(core)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await request.body()  # nothing is written here, but a connection can be used again only when it was read
        path = request.url.path.removeprefix(PREFIX)
        headers = {name.lower(): value for name, value in request.headers.items()}
        await api.answer(request.method, path, request.url.query, headers)(scope, receive, send)

    def truth(stream: str, query: TruthQuery) -> Iterator[Mapping[str, Any]]:
        return tell(core, api.commerce, api.accounting.limits.embedded_rows, stream, query)

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
