"""The sandbox put together: one world, the vendors' APIs over it, the control plane, one ASGI app."""

import logging
import socket
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dataflow_assets.sandbox.control import Control
from dataflow_assets.sandbox.core import Core, Vendor
from dataflow_assets.sandbox.counters import Counters
from dataflow_assets.sandbox.faults import FaultBook
from dataflow_assets.sandbox.google_ads.vendor import google_ads
from dataflow_assets.sandbox.hubspot.vendor import hubspot
from dataflow_assets.sandbox.linkedin_ads.vendor import linkedin_ads
from dataflow_assets.sandbox.meta_ads.vendor import meta_ads
from dataflow_assets.sandbox.stripe.vendor import stripe
from dataflow_assets.sandbox.world import Clock, World, WorldConfig

_log = logging.getLogger(__name__)

CONTROL_PREFIX = "/_sandbox"
_VENDORS: tuple[Callable[[Core], Vendor], ...] = (meta_ads, google_ads, linkedin_ads, hubspot, stripe)


class Sandbox:
    """One world and everything that speaks for it. `changed` is called after the control plane moved the clock."""

    def __init__(self, config: WorldConfig, clock: Clock, changed: Callable[[], None] = lambda: None) -> None:
        self.core = Core(World(config), clock, FaultBook(config.seed, clock.now), Counters())
        self.vendors = {vendor.name: vendor for vendor in (build(self.core) for build in _VENDORS)}
        control = Control(self.core, self.vendors, changed)
        routes = [Mount(CONTROL_PREFIX, routes=control.routes())]
        routes += [Mount(vendor.prefix, app=vendor.app) for vendor in self.vendors.values()]
        self.app: ASGIApp = _dated(Starlette(routes=routes), clock)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Its protocol is named, unlike with `socket.create_server`: asyncio switches Nagle's algorithm off only for sockets
    that say they are TCP, and with it on every answer would take 40 ms.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def server_config(app: ASGIApp, **options: Any) -> uvicorn.Config:
    """How the app is served: no log lines, no header that tells real time, open connections dropped at the end."""
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        **options,
    )


def _dated(app: ASGIApp, clock: Clock) -> ASGIApp:
    """Put world time into the `Date` header of every answer: clients take "now" from it."""

    async def dated(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                text = format_datetime(clock.now(), usegmt=True)
                message["headers"] = [*message.get("headers", []), (b"date", text.encode())]
            await send(message)

        try:
            await app(scope, receive, send_dated)
        except Exception:
            # The server is silent, for dropped connections are its business; a defect of ours must not be.
            _log.exception("The sandbox failed to answer %s %s", scope.get("method"), scope.get("path"))
            raise

    return dated
