"""`dataflow transform`: facts and aggregates from whatever lies in the raw tables; no vendor is read."""

import json
import sys
from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

from dataflow_assets.automation.jobs import ONLY_TOUCHED
from dataflow_assets.cli.days import last_day, wrong_range
from dataflow_assets.cli.instance import use_instance
from dataflow_assets.cli.output import console
from dataflow_assets.cli.progress import progress
from dataflow_assets.cli.runs import RunOutcome, run_job
from dataflow_assets.cli.summary import print_end
from dataflow_assets.partitions import every_day
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.dbt import dbt_project, fact_keys
from dataflow_assets.resources.platform import Platform, get_platform
from dataflow_assets.resources.touched import waiting
from dataflow_assets.windows import ONE_DAY, DayWindow

WRONG_USE = 2
NO_VENDORS: dict[str, Any] = {"resources": {"platform": {"config": {"vendors": False}}}}
# A quarter: what an interruption can cost, against the seconds each range takes to begin.
DAYS_AT_ONCE = 92


def run_transform(start: date | None, end: date | None, *, as_json: bool) -> int:
    """Build every day of a range or, without one, the days that wait. Returns the exit code."""
    if (start is None) != (end is None):
        sys.stderr.write("--from and --to go together: a range has two ends.\n")
        return WRONG_USE
    if start and end and (problem := wrong_range(start, end)):
        sys.stderr.write(f"{problem}\n")
        return WRONG_USE
    platform = get_platform(vendors=False)
    ensure_schema(platform)
    window = DayWindow(start, end + ONE_DAY) if start and end else _waiting(platform)
    every_day = {name: {"config": {"only_touched": start is None}} for name in ("transform_facts", "aggregates")}
    # Views and seeds are built when their definitions have changed, tables always: the range is about facts.
    ops = {**ONLY_TOUCHED["ops"], **every_day}
    with progress(platform, f"transform {window}"):
        outcome = run_job(platform, "transform", window=window, run_config={**NO_VENDORS, "ops": ops})
    if as_json:
        sys.stdout.write(json.dumps(vars(outcome)) + "\n")
    else:
        print_end(platform, outcome)
    return 0 if outcome.success else 1


def _waiting(platform: Platform) -> DayWindow:
    """From the first to the last day that waits and has a partition; today when none does."""
    there_is = every_day()
    with platform.warehouse.connect() as connection:
        days = waiting(connection, "raw", there_is).days | waiting(connection, "facts", there_is).days
    days = days or frozenset({last_day()})
    return DayWindow(min(days), max(days) + ONE_DAY)


# ------------------------------------------------------------------------- rebuilding a fact


def run_rebuild(fact: str, start: date | None, end: date | None, *, confirmed: bool, as_json: bool) -> int:
    """Build all days of a fact again, and of what is made from it, range by range. Returns the exit code.

    Nothing is dropped or truncated: each range is replaced in a transaction of its own, and readers see a day either as
    it was or as it is. A full refresh by dbt would drop the table, with every aggregate that stands on it.
    """
    platform = get_platform(vendors=False)
    ensure_schema(platform)
    use_instance(platform)
    facts = fact_keys(dbt_project())
    if fact not in facts:
        sys.stderr.write(f"{fact!r} is no fact that is built by day. There are: {', '.join(sorted(facts))}.\n")
        return WRONG_USE
    known = _days_known(platform, facts)
    first, last = start or known.start, end or known.end - ONE_DAY
    if problem := wrong_range(first, last):
        sys.stderr.write(f"{problem}\n")
        return WRONG_USE
    window = DayWindow(first, last + ONE_DAY)
    if not confirmed and not _confirm(fact, window):
        sys.stderr.write("Nothing was changed.\n")
        return WRONG_USE
    outcomes = _rebuild(platform, facts[fact], window, as_json=as_json)
    if as_json:
        sys.stdout.write(json.dumps({"fact": fact, "runs": [vars(outcome) for outcome in outcomes]}) + "\n")
    return 0 if all(outcome.success for outcome in outcomes) else 1


def _days_known(platform: Platform, facts: dict[str, dg.AssetKey]) -> DayWindow:
    """From the first to the last day any fact has, within the partitions; all partitions while none has any."""
    from psycopg import sql  # noqa: PLC0415

    parts = [
        sql.SQL("select min(date_day) as first, max(date_day) as last from {}").format(sql.Identifier(*key.path))
        for key in facts.values()
    ]
    query = sql.SQL("select min(first) as first, max(last) as last from ({}) as facts").format(
        sql.SQL(" union all ").join(parts)
    )
    with platform.warehouse.connect() as connection:
        row = connection.execute(query).fetchone() or {"first": None, "last": None}
    there_is = every_day()
    end = row["last"] + ONE_DAY if row["last"] else None
    return there_is.clip(start=row["first"], end=end) or there_is


def _confirm(fact: str, window: DayWindow) -> bool:
    sys.stderr.write(
        f"This builds {fact}, and all that is made from it, again for {len(window.days)} days, {window}, from what the "
        f"raw tables hold now. Days whose raw rows are gone become empty.\nType {fact} to go on: "
    )
    sys.stderr.flush()
    return sys.stdin.readline().strip() == fact


def _rebuild(platform: Platform, key: dg.AssetKey, window: DayWindow, *, as_json: bool) -> list[RunOutcome]:
    from dataflow_assets.definitions import defs  # noqa: PLC0415  takes seconds, and must see the instance

    graph = defs.resolve_asset_graph()
    by_day = {one for one in graph.get_all_asset_keys() if graph.get(one).is_partitioned}
    below = dg.AssetSelection.assets(key).downstream().resolve(graph)
    not_raw = dg.AssetSelection.all() - dg.AssetSelection.key_prefixes("raw")
    models = not_raw.resolve(graph) - by_day
    # Views, dimensions and seeds first, so that the days are built by the definitions of today.
    steps: list[tuple[DayWindow | None, Sequence[dg.AssetKey]]] = [(None, sorted(models))]
    steps += [(part, sorted(below & by_day)) for part in window.slices(DAYS_AT_ONCE)]
    outcomes = []
    for part, selection in steps:
        run_config = (
            NO_VENDORS if part else {**NO_VENDORS, "ops": {"transform_models": ONLY_TOUCHED["ops"]["transform_models"]}}
        )
        with progress(platform, f"rebuild {part or 'models'}"):
            outcome = run_job(platform, "backfill", window=part, selection=selection, run_config=run_config)
        outcomes.append(outcome)
        if not as_json:
            console.print(f"{part or 'models'}:", end=" ")
            print_end(platform, outcome)
        if not outcome.success:
            if part:
                sys.stderr.write(f"Days before {part.start} are done and kept; go on with --from {part.start}.\n")
            break
    return outcomes
