"""Print the truth of a stream as lines of JSON: `python -m dataflow_assets.sandbox.tell meta_ads/ads --state FILE`.

It comes from a running sandbox, or straight from the world that a state file describes. Rows are printed as they are
found, so that streams of any length cost no memory.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import msgspec

from dataflow_assets.sandbox import state
from dataflow_assets.sandbox.core import TruthQuery
from dataflow_assets.sandbox.server import CONTROL_PREFIX, Sandbox
from dataflow_assets.sandbox.steering import ndjson, truth

OK, FAILED, WRONG_USE, NO_SERVER, INTERRUPTED = 0, 1, 2, 3, 130

# A world of many ads takes long between two rows; only whether somebody is there is told soon.
_PATIENCE = httpx.Timeout(None, connect=10)


class TellError(Exception):
    """Nothing can be told, or not all of it; with the exit code that says which."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def main(argv: list[str] | None = None) -> int:
    """Print the rows.

    Exit code 0, 1 when the answer broke off, 2 for a stream, account or file that is none, 3 when no sandbox answers.
    """
    options = _parser().parse_args(argv)
    query = TruthQuery(account=options.account, first=options.first, last=options.last)
    vendor, stream = options.stream
    if options.url:
        lines = _from_url(options.url, vendor, stream, query)
    else:
        lines = _from_state(options.state, vendor, stream, query)
    try:
        for piece in lines:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except TellError as error:
        sys.stderr.write(f"{error}\n")
        return error.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever reads has seen enough. What is still buffered must not be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OK


def _from_state(path: Path, vendor: str, stream: str, query: TruthQuery) -> Iterator[bytes]:
    try:
        saved = state.load(path)
        if saved is None:
            raise TellError(WRONG_USE, f"There is no file {path}.")
        yield from ndjson(truth(Sandbox(*saved).vendors, vendor, stream, query))
    except ValueError as error:
        raise TellError(WRONG_USE, str(error)) from None


def _from_url(url: str, vendor: str, stream: str, query: TruthQuery) -> Iterator[bytes]:
    asked = {"account": query.account, "from": query.first, "to": query.last}
    params = {name: str(value) for name, value in asked.items() if value is not None}
    address = f"{url.rstrip('/')}{CONTROL_PREFIX}/truth/{vendor}/{stream}"
    try:
        with httpx.stream("GET", address, params=params, timeout=_PATIENCE) as answer:
            if answer.status_code == httpx.codes.BAD_REQUEST:
                raise TellError(WRONG_USE, str(msgspec.json.decode(answer.read())["error"]))
            if answer.status_code != httpx.codes.OK:
                raise TellError(NO_SERVER, f"What answers at {url} is no sandbox: status {answer.status_code}.")
            yield from answer.iter_bytes()
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise TellError(WRONG_USE, f"{url} is no address of a sandbox: {error}.") from None
    except httpx.ConnectError as error:
        raise TellError(NO_SERVER, f"No sandbox answers at {url}: {error}.") from None
    except httpx.TransportError as error:
        raise TellError(FAILED, f"The answer of {url} broke off ({error}): what was printed is not all.") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dataflow_assets.sandbox.tell", description=__doc__)
    parser.add_argument("stream", metavar="VENDOR/STREAM", type=_stream)
    parser.add_argument("--account")
    parser.add_argument("--from", dest="first", type=date.fromisoformat, metavar="DAY", help="first day")
    parser.add_argument("--to", dest="last", type=date.fromisoformat, metavar="DAY", help="last day")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--url", help="of a running sandbox")
    place.add_argument("--state", type=Path, help="a state file; nothing has to run")
    return parser


def _stream(text: str) -> tuple[str, str]:
    vendor, _, stream = text.partition("/")
    if not vendor or not stream:
        raise argparse.ArgumentTypeError(f"{text!r} is no vendor and stream, like meta_ads/ads")
    return vendor, stream


if __name__ == "__main__":
    sys.exit(main())
