"""An answer of any vendor's API on its way to the wire, with the faults that transport can do to it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from starlette.types import Receive, Scope, Send

from dataflow_assets.sandbox.faults import FaultRule

JSON = "application/json; charset=UTF-8"
HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What to send. `delay` is in real seconds; `cut` closes the connection half-way through the body."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send it."""
        if self.delay:
            await asyncio.sleep(self.delay)
        headers = {"Content-Type": self.media_type, "Content-Length": str(len(self.body)), **self.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": raw})
        if self.cut:
            # Returning with bytes still owed makes the server drop the connection.
            await send({"type": "http.response.body", "body": self.body[: len(self.body) // 2], "more_body": True})
            return
        await send({"type": "http.response.body", "body": self.body})


BAD_GATEWAY = Answer(
    502,
    b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
    media_type=HTML,
)

_SLOW_SECONDS = 1.0


def wounded(answer: Answer, fired: Mapping[str, FaultRule]) -> Answer:
    """The answer after those of TRANSPORT_FAULTS that struck it; `fired` holds the rules by fault."""
    if "html_502" in fired:
        answer = replace(BAD_GATEWAY, status=fired["html_502"].status or BAD_GATEWAY.status)
    if "malformed_page" in fired:
        answer = replace(answer, body=answer.body[: len(answer.body) * 3 // 5])
    if "slow" in fired:
        seconds = fired["slow"].seconds
        answer = replace(answer, delay=answer.delay + (_SLOW_SECONDS if seconds is None else seconds))
    return replace(answer, cut=True) if "cut_connection" in fired else answer
