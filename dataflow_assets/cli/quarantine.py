"""`dataflow quarantine`: look at the records that were set aside, and try them again."""

import asyncio
import json
import sys
from typing import Any

from dataflow_assets.cli.output import console, print_rows
from dataflow_assets.connectors import all_connectors
from dataflow_assets.raw.replay import replay
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.platform import get_platform

LONGEST_PAYLOAD = 80


def run_list(*, as_json: bool) -> int:
    """Print open records. Returns the exit code: 1 while there are any."""
    platform = get_platform()
    ensure_schema(platform)
    with platform.warehouse.connect() as connection:
        rows = connection.execute(
            """
            select quarantine_id, connector, stream, account_id, reason, payload, quarantined_at, last_seen_at
            from dataflow.quarantine where replayed_at is null order by quarantine_id
            """
        ).fetchall()
    if as_json:
        sys.stdout.write(json.dumps(rows, default=str) + "\n")
    elif rows:
        short = [{**row, "payload": row["payload"][:LONGEST_PAYLOAD]} for row in rows]
        print_rows("quarantine", short)
    else:
        console.print("Nothing is in quarantine.")
    return 1 if rows else 0


def run_replay(*, as_json: bool) -> int:
    """Try all open records again. Returns the exit code: 1 while some still break their contract."""
    platform = get_platform()
    ensure_schema(platform)
    done: list[dict[str, Any]] = []
    for connector in all_connectors():
        for stream in connector.streams:
            found = asyncio.run(replay(platform.warehouse, connector, stream))
            done += [{"connector": connector.name, "stream": stream.name, **vars(item)} for item in found]
    if as_json:
        sys.stdout.write(json.dumps(done) + "\n")
    elif done:
        print_rows("replayed", done)
        console.print("Changed days are carried to facts and aggregates by the next sync.")
    else:
        console.print("Nothing is in quarantine.")
    return 1 if any(item["still_rejected"] for item in done) else 0
