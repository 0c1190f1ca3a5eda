"""The API: `python -m benchmarks.ingest.server --rows N --scratch FOLDER` serves pages on the loopback interface.

As fast as one process can, so that it is not what is measured: rows are rendered once into a file, and a page is a
stretch of it. First line on stdout: JSON with the port.

GET /rows?since=INSTANT | ?first=DAY&last=DAY | neither, with &cursor=..., answers {"rows": [...], "next": "..."|null}.
GET /_set?latency=SECONDS&changed=0|1 steers it, GET /_requests counts pages since the last look.
"""

import argparse
import asyncio
import json
import mmap
import sys
from array import array
from bisect import bisect_left
from datetime import date, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks.ingest.world import CHANGED_EVERY, FIRST_DAY, PAGE_ROWS, Rows


class Pages:
    """The rendered world: its rows in the order of their changes, the changed ones after all others."""

    def __init__(self, world: Rows, file: Path) -> None:
        self.world = world
        self.starts = array("Q")
        with file.open("wb") as out:
            for row, version in [*((r, 0) for r in range(world.rows)), *((r, 1) for r in world.changed())]:
                self.starts.append(out.tell())
                out.write(world.json(row, version).encode() + b",")
            self.starts.append(out.tell())
        with file.open("rb") as source:
            self.data = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
        file.unlink()
        self.is_changed = False
        self.latency = 0.0
        self.served = 0

    def bounds(self, asked: dict[str, str]) -> tuple[int, int]:
        """First and last row (without) a question is about."""
        world = self.world
        end = world.rows + (len(world.changed()) if self.is_changed else 0)
        if "first" in asked:
            first = (date.fromisoformat(asked["first"]) - FIRST_DAY).days * world.ads
            past = ((date.fromisoformat(asked["last"]) - FIRST_DAY).days + 1) * world.ads
            return min(max(first, 0), world.rows), min(max(past, 0), world.rows)
        if "since" not in asked:
            if self.is_changed:
                raise ValueError("a changed world tells only what is new")
            return 0, end
        since = datetime.fromisoformat(asked["since"])
        row = bisect_left(range(world.rows), since, key=lambda r: world.updated_at(r, 0))
        while self.is_changed and row < world.rows and row % CHANGED_EVERY == 0:
            row += 1
        return row, end

    def page(self, asked: dict[str, str]) -> bytes:
        """One page, as JSON."""
        start, end = self.bounds(asked)
        if "cursor" in asked:
            start = int(asked["cursor"], 36)
        stop = min(start + PAGE_ROWS, end)
        rows = self.data[self.starts[start] : self.starts[stop] - 1] if stop > start else b""
        following = f'"{_base36(stop)}"' if stop < end else "null"
        return b'{"next":%s,"rows":[%s]}' % (following.encode(), rows)


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"


class Talk(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, and nothing of it that is not needed here."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self.heard += data
        while b"\r\n\r\n" in self.heard:
            head, _, self.heard = self.heard.partition(b"\r\n\r\n")
            url = urlsplit(head.split(b" ", 2)[1].decode())
            asked = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path.endswith("/rows"):
                self.pages.served += 1
                asyncio.get_running_loop().call_later(self.pages.latency, self.answer, self.pages.page(asked))
            else:
                self.answer(json.dumps(self.steer(asked)).encode())

    def steer(self, asked: dict[str, str]) -> dict[str, int]:
        """Change what is asked for, and count from zero."""
        pages = self.pages
        pages.latency = float(asked.get("latency", pages.latency))
        pages.is_changed = bool(int(asked.get("changed", pages.is_changed)))
        served, pages.served = pages.served, 0
        return {"requests": served}

    def answer(self, body: bytes) -> None:
        """Send one answer."""
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )


async def serve(pages: Pages) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Talk(pages), "127.0.0.1", 0)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    options = parser.parse_args()
    asyncio.run(serve(Pages(Rows(options.rows), options.scratch / f"rows-{options.rows}.json")))
