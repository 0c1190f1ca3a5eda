"""`dataflow verify`: aggregates against their facts, over a long time, in this process."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from itertools import chain

from dataflow_assets.aggregates.buckets import named
from dataflow_assets.aggregates.policies import retention_horizons
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.sweep import Swept, sweep
from dataflow_assets.aggregates.trailing import sweep_trailing, trailings
from dataflow_assets.cli.output import console
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.platform import get_platform


def run_verify(start: date | None, *, as_json: bool) -> int:
    """Compare and repair, printing each aggregate as it is done. Returns the exit code: 1 while any is stale."""
    platform = get_platform()
    ensure_schema(platform)
    today = datetime.now(UTC).date()
    since = start or today - timedelta(days=platform.settings.storage.sweep_days)
    with platform.warehouse.connect() as connection:
        horizons = retention_horizons(connection, platform.settings, today)
    stale = False
    for swept in chain(
        sweep(platform.warehouse, all_aggregates(), since, horizons),
        sweep_trailing(platform.warehouse, trailings(all_aggregates())),
    ):
        stale = stale or bool(swept.stale)
        if as_json:
            sys.stdout.write(json.dumps(_as_data(swept)) + "\n")
        else:
            console.print(_as_text(swept), highlight=False)
    return 1 if stale else 0


def _as_data(swept: Swept) -> dict[str, object]:
    return {
        "aggregate": swept.aggregate.relation,
        "compared": str(swept.window) if swept.window else None,
        "repaired": [day.isoformat() for day in swept.repaired],
        "stale": [day.isoformat() for day in swept.stale],
    }


def _as_text(swept: Swept) -> str:
    name = swept.aggregate.relation
    text = f"  ok  {name}: equals {swept.aggregate.source} over {swept.window or 'nothing: there is none'}"
    if swept.repaired:
        text += f"; repaired what begins on {named(swept.repaired)}"
    if swept.stale:
        text = f"  [red]BAD[/] {name}: differs from {swept.aggregate.source} in what begins on {named(swept.stale)}"
    return text
