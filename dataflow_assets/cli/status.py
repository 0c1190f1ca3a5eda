"""`dataflow status`: what is known and how far it can be trusted, from the warehouse alone."""

import json
import sys
from typing import LiteralString

from dataflow_assets.cli.output import console, print_rows
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.platform import get_platform

_QUERIES: dict[str, LiteralString] = {
    "streams": """
        select connector, stream, account_id, complete_from, watermark, settled_through,
            (select max(recorded_at) from dataflow.sync_ledger as l
                where (l.connector, l.stream, l.account_id) = (w.connector, w.stream, w.account_id)
                    and outcome = 'published') as last_synced,
            (select count(*) from dataflow.quarantine as q
                where (q.connector, q.stream, q.account_id) = (w.connector, w.stream, w.account_id)
                    and replayed_at is null) as quarantined
        from dataflow.watermarks as w order by 1, 2, 3
    """,
    "waiting_days": """
        select layer, count(distinct day) as days, min(day) as first, max(day) as last
        from dataflow.touched_days group by layer order by layer
    """,
    "aggregates": "select name, backend, refreshed_at, verified_at from dataflow.aggregates order by name",
    "failures": """
        select connector, stream, account_id, sync_window, error, recorded_at from dataflow.sync_ledger
        where outcome = 'failed' and recorded_at > now() - interval '7 days' order by recorded_at desc limit 10
    """,
    "notices": "select connector, stream, message, last_seen_at from dataflow.notices order by last_seen_at desc",
}


def run_status(*, as_json: bool) -> int:
    """Print what is known. Returns the exit code: 1 while anything is in quarantine."""
    platform = get_platform()
    ensure_schema(platform)
    with platform.warehouse.connect() as connection:
        found = {name: connection.execute(query).fetchall() for name, query in _QUERIES.items()}
    if as_json:
        sys.stdout.write(json.dumps({"mode": platform.mode, **found}, default=str) + "\n")
    else:
        console.print(f"mode [bold]{platform.mode}[/], warehouse {platform.warehouse.address}")
        for name, rows in found.items():
            print_rows(name.replace("_", " "), rows)
    return 1 if any(row["quarantined"] for row in found["streams"]) else 0
