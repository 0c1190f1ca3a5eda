"""A streamed answer: its body is made while it is sent, so that one of any length costs the memory of a piece."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from starlette.types import Receive, Scope, Send

from dataflow_assets.sandbox.answers import JSON, Answer, wounded
from dataflow_assets.sandbox.faults import FaultRule


@dataclass(frozen=True)
class StreamedAnswer:
    """What to send, piece by piece.

    `delay` is in real seconds; `cut` closes the connection in the middle of the first piece, `cropped` ends the body
    there as if it were whole.
    """

    pieces: Iterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False
    cropped: bool = False

    def wounded(self, fired: Mapping[str, FaultRule]) -> "StreamedAnswer":
        """The answer after the faults of transport that leave it an answer of the vendor."""
        # What a whole answer would suffer: it knows for how long a slow one takes.
        hurt = wounded(Answer(200, b""), fired)
        return replace(self, delay=hurt.delay, cut=hurt.cut, cropped="malformed_page" in fired)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send it."""
        if self.delay:
            await asyncio.sleep(self.delay)
        headers = {"Content-Type": JSON, **self.headers}
        raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": raw})
        for piece in self.pieces:
            broken = self.cut or self.cropped
            body = piece[: len(piece) // 2] if broken else piece
            await send({"type": "http.response.body", "body": body, "more_body": True})
            if self.cut:
                # Returning with the body still open makes the server drop the connection.
                return
            if self.cropped:
                break
        await send({"type": "http.response.body", "body": b""})
