"""A stand-in for the sandbox: answers its health page at the port given as first argument."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/_sandbox/health" else 404)
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
