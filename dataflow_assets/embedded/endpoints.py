"""What a caller gets: the URLs of the private servers, or one kind of error."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

USER = "dataflow"
DATABASE = "dataflow"
HOST = "127.0.0.1"
USE_YOUR_OWN = "Set DATABASE_URL and REDIS_URL to servers of your own, or"


class EmbeddedError(Exception):
    """The private servers cannot be used. The message says why and what to do; never a password."""


@dataclass(frozen=True, repr=False)
class Endpoints:
    """URLs of running servers. The first two contain a password; the repr does not."""

    database_url: str
    redis_url: str
    sandbox_url: str | None

    def __repr__(self) -> str:
        """Addresses without user and password, for logs."""
        shown = {name: _without_password(url) for name, url in asdict(self).items()}
        return f"Endpoints({', '.join(f'{name}={url}' for name, url in shown.items())})"


def endpoints(*, password: str, postgres_port: int, redis_port: int, sandbox_port: int | None) -> Endpoints:
    """The URLs of servers at these ports of this machine. `password` must need no escaping in a URL."""
    return Endpoints(
        database_url=f"postgresql://{USER}:{password}@{HOST}:{postgres_port}/{DATABASE}",
        redis_url=f"redis://:{password}@{HOST}:{redis_port}/0",
        sandbox_url=None if sandbox_port is None else f"http://{HOST}:{sandbox_port}",
    )


def read_endpoints(path: Path) -> Endpoints | None:
    """The endpoints written at `path`; None while there are none."""
    try:
        return Endpoints(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None


def write_endpoints(path: Path, value: Endpoints) -> None:
    """Publish endpoints for other processes of the same user."""
    write_private(path, json.dumps(asdict(value)))


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, readable by its owner only. Readers see the old text or the new, never half."""
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    # O_EXCL follows no link: root writes this way into a folder of the servers' user as well.
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def _without_password(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}{parts.path}"
