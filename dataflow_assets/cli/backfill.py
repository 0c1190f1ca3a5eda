"""`dataflow backfill`: past report days again, one run for the whole range, in the low lane of the request budget."""

import json
import sys
from dataclasses import dataclass
from datetime import date

import dagster as dg

from dataflow_assets.cli.days import wrong_range
from dataflow_assets.cli.output import console
from dataflow_assets.cli.progress import progress
from dataflow_assets.cli.runs import run_job
from dataflow_assets.cli.summary import print_outcome
from dataflow_assets.connectors import active_connectors
from dataflow_assets.connectors.base import Connector, Stream
from dataflow_assets.raw.factory import asset_key, op_name
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.budget import Lane
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.settings import Settings
from dataflow_assets.windows import ONE_DAY, DayWindow

WRONG_USE = 2


@dataclass(frozen=True)
class Plan:
    """What a backfill will do."""

    window: DayWindow
    assets: tuple[dg.AssetKey, ...]
    expected_requests: int | None  # None: no sync has been measured yet


def run_backfill(
    select: str,
    start: date,
    end: date,
    *,
    accounts: list[str],
    dry_run: bool,
    downstream: bool,
    as_json: bool,
) -> int:
    """Plan, and unless it is a dry run, carry out. Returns the exit code."""
    if problem := wrong_range(start, end):
        sys.stderr.write(f"{problem}\n")
        return WRONG_USE
    window = DayWindow(start, end + ONE_DAY)
    platform = get_platform()
    ensure_schema(platform)
    try:
        selected = _select(platform.settings, select, downstream)
    except (KeyError, ValueError) as error:
        sys.stderr.write(f"{error.args[0]}\n")
        return WRONG_USE
    plan = Plan(window, tuple(sorted(selected)), _expected_requests(platform, selected, window))
    if dry_run:
        _print_plan(plan, as_json)
        return 0
    reading = {"accounts": accounts, "lane": Lane.BACKFILL.name}
    ops = {op_name(c, s): {"config": reading} for c, s in _daily(platform.settings) if asset_key(c, s) in selected}
    with progress(platform, f"backfill {window}"):
        outcome = run_job(
            platform,
            "backfill",
            window=window,
            selection=plan.assets,
            run_config={"ops": ops},
            tags={"dataflow/backfill": str(window)},
        )
    if as_json:
        sys.stdout.write(json.dumps(vars(outcome)) + "\n")
    else:
        print_outcome(platform, outcome)
    return 0 if outcome.success else 1


def _daily(settings: Settings) -> list[tuple[Connector, Stream]]:
    return [(c, s) for c in active_connectors(settings) for s in c.streams if s.is_daily]


def _select(settings: Settings, select: str, downstream: bool) -> set[dg.AssetKey]:
    from dataflow_assets.definitions import defs  # noqa: PLC0415  takes seconds

    graph = defs.resolve_asset_graph()
    daily = _daily(settings)
    short = {c.name: {asset_key(c, s) for d, s in daily if d is c} for c, _ in daily}
    short |= {f"{c.name}/{s.name}": {asset_key(c, s)} for c, s in daily}
    keys = short.get(select.strip("/"))
    if keys is None:
        try:
            keys = set(dg.AssetSelection.from_string(select).resolve(graph))
        except dg.DagsterError as error:
            names = ", ".join(sorted(short))
            raise ValueError(f"Nothing is called {select!r}. Known: {names}, or a Dagster selection. {error}") from None
    if downstream:
        keys |= dg.AssetSelection.assets(*keys).downstream().resolve(graph)
    partitioned = {key for key in keys if graph.get(key).is_partitioned}
    if not partitioned:
        raise ValueError(
            f"{select!r} holds no table by day. What has no past days is listed whole: use dataflow sync --full."
        )
    return partitioned


def _expected_requests(platform: Platform, selected: set[dg.AssetKey], window: DayWindow) -> int | None:
    streams = [f"{c.name}/{s.name}" for c, s in _daily(platform.settings) if asset_key(c, s) in selected]
    with platform.warehouse.connect() as connection:
        row = connection.execute(
            """
            select sum(per_day) as per_day from (
                select sum(requests)::float / nullif(sum(window_end - window_start), 0) as per_day
                from dataflow.sync_ledger
                where connector || '/' || stream = any(%s) and outcome = 'published'
                    and recorded_at > now() - interval '30 days'
                group by connector, account_id, stream
            ) as measured
            """,
            (streams,),
        ).fetchone()
    if not row or row["per_day"] is None:
        return None
    return max(1, round(float(row["per_day"]) * len(window.days)))


def _print_plan(plan: Plan, as_json: bool) -> None:
    names = [key.to_user_string() for key in plan.assets]
    days = len(plan.window.days)
    if as_json:
        value = {
            "from": f"{plan.window.start}",
            "to": f"{plan.window.end - ONE_DAY}",
            "partitions": days,
            "assets": names,
            "expected_requests": plan.expected_requests,
        }
        sys.stdout.write(json.dumps(value) + "\n")
        return
    console.print(f"Would build {days} partitions, {plan.window}, of {len(names)} assets in one run:")
    for name in names:
        console.print(f"  {name}")
    if plan.expected_requests is None:
        console.print("Requests: unknown, nothing has been synced yet.")
    else:
        console.print(f"About {plan.expected_requests} requests, judging by the syncs of the last 30 days.")
