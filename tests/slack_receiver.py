"""A Slack that listens on the loopback interface and keeps what it is told."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Slack:
    """What an incoming webhook was sent. `answers` are given in order, each (status, headers); afterwards 200."""

    url: str = ""
    answers: list[tuple[int, Mapping[str, str]]] = field(default_factory=list)
    requests: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)  # when, status answered, body

    @property
    def messages(self) -> list[str]:
        """Texts that were taken: of each message everything a person reads."""
        return [text_of(body) for _, status, body in self.requests if status == 200]


def text_of(body: dict[str, Any]) -> str:
    return "\n".join(block["text"]["text"] for block in body["blocks"])


@contextmanager
def slack_receiver(secret: str) -> Iterator[Slack]:
    """A Slack webhook on a free port; the secret is the part of its address that nobody may see."""
    slack = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, headers = slack.answers.pop(0) if slack.answers else (200, {})
            slack.requests.append((time.monotonic(), status, body))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name in the base class
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    slack.url = f"http://127.0.0.1:{server.server_port}/services/{secret}"
    thread = threading.Thread(target=server.serve_forever, name="slack", daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
