"""How facts are stored as they grow old: as columns, and for how long. Data here, kept up to date on the server.

Both are jobs of TimescaleDB's community edition. On a server without it nothing is done, and `PolicyState` says so.
Refreshing is no policy: a policy would refresh a fixed window, and what changed before it would stay stale for ever.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dataflow_assets.aggregates.backends import run
from dataflow_assets.connectors import active_connectors
from dataflow_assets.resources.warehouse import Connection, extension_state
from dataflow_assets.settings import Settings

MARGIN_DAYS = 90  # one chunk: a chunk becomes columns as a whole, once its newest day is old enough


class PolicyRefused(Exception):
    """A configured policy would take away days that are still refreshed. The message names the setting."""


@dataclass(frozen=True)
class Columns:
    """How a fact is laid out as columns. Ordered by day first, a restated day unpacks its own rows and no others."""

    fact: str
    segment_by: str
    order_by: tuple[str, ...]


# The facts that grow with ads and days. Of the others a chunk has fewer rows than the columnstore packs into one batch.
GROWING_FACTS = (
    Columns("marts.fct_ad_performance_daily", "account_id", ("date_day", "entity_id")),
    Columns("marts.fct_campaign_performance", "account_id", ("date_day", "campaign_id")),
    Columns("marts.fct_conversions_daily", "account_id", ("date_day", "campaign_id")),
)


@dataclass(frozen=True)
class PolicyState:
    """The policies of one fact as the server has them. `job_problem` says what is wrong with their jobs."""

    fact: str
    columnstore_after_days: int | None
    retention_days: int | None
    job_problem: str = ""

    def __str__(self) -> str:
        columns, kept = self.columnstore_after_days, self.retention_days
        parts = [
            f"columns after {columns} days" if columns else "rows only",
            f"dropped after {kept} days" if kept else "kept for ever",
            *([self.job_problem] if self.job_problem else []),
        ]
        return ", ".join(parts)


@dataclass(frozen=True)
class Wanted:
    """The policies as configured, in days; None where there is none."""

    columnstore_after_days: int | None
    retention_days: int | None


def wanted_policies(settings: Settings) -> Wanted:
    """The policies as configured. Raises PolicyRefused when one would undercut the days that are still refreshed."""
    reach = longest_restatement(settings)
    after, kept = settings.storage.columnstore_after_days, settings.storage.retention_days
    if after is None:
        after = reach + MARGIN_DAYS
    if 0 < after <= reach:
        raise PolicyRefused(
            f"DATAFLOW_STORAGE__COLUMNSTORE_AFTER_DAYS is {after}, but vendors change figures for {reach} days: every "
            f"sync would have to unpack what was packed. Nothing was changed. Set it above {reach}, or to 0 for never."
        )
    if kept is not None and kept <= reach:
        raise PolicyRefused(
            f"DATAFLOW_STORAGE__RETENTION_DAYS is {kept}, but vendors change figures for {reach} days: days that are "
            f"still refreshed would be dropped. Nothing was changed. Set it above {reach}, or leave it empty."
        )
    return Wanted(after or None, kept)


def longest_restatement(settings: Settings) -> int:
    """Days for which the slowest of the vendors in use keeps changing its figures."""
    return max((c.lookback_days(settings) for c in active_connectors(settings)), default=0)


def retention_horizons(connection: Connection, settings: Settings, today: date) -> dict[str, date]:
    """The first day that is kept, of each fact that is not kept for ever."""
    kept = wanted_policies(settings).retention_days
    if kept is None or extension_state(connection) != "timescale":
        return {}
    return {columns.fact: today - timedelta(days=kept) for columns in GROWING_FACTS}


def apply_policies(connection: Connection, settings: Settings) -> list[PolicyState]:
    """Bring the server's policies to what is configured, and tell how they are. Changes nothing that is right.

    Returns: one state per growing fact; none where the server cannot have policies.
    Raises: PolicyRefused, before anything is changed.
    """
    wanted = wanted_policies(settings)
    if extension_state(connection) != "timescale":
        return []
    with connection.transaction():
        # Two runs at once would both add what is missing, and one would fail.
        connection.execute("select pg_advisory_xact_lock(hashtextextended('dataflow.policies', 0))")
        for columns in GROWING_FACTS:
            _apply(connection, columns, wanted)
    return policy_states(connection)


def policy_states(connection: Connection) -> list[PolicyState]:
    """The policies of the growing facts as the server has them; none where it cannot have any."""
    if extension_state(connection) != "timescale":
        return []
    return [_state(columns.fact, _jobs(connection, columns.fact)) for columns in GROWING_FACTS]


def missing_reason(connection: Connection) -> str | None:
    """Why this server has no policies; None when it can have them."""
    if extension_state(connection) == "timescale":
        return None
    there_is = connection.execute("select from pg_extension where extname = 'timescaledb'").fetchone()
    return "TimescaleDB is here in its Apache edition" if there_is is not None else "the server has no TimescaleDB"


def _apply(connection: Connection, columns: Columns, wanted: Wanted) -> None:
    has = _state(columns.fact, _jobs(connection, columns.fact))
    if wanted.columnstore_after_days is not None and not _is_laid_out(connection, columns):
        run(
            connection,
            f"alter table {columns.fact} set (tsdb.enable_columnstore, tsdb.segmentby = '{columns.segment_by}', "
            f"tsdb.orderby = '{', '.join(columns.order_by)}')",
        )
    if has.columnstore_after_days != wanted.columnstore_after_days:
        connection.execute("call remove_columnstore_policy(%s, if_exists => true)", (columns.fact,))
        if wanted.columnstore_after_days is not None:
            connection.execute(
                "call add_columnstore_policy(%s, after => make_interval(days => %s))",
                (columns.fact, wanted.columnstore_after_days),
            )
    if has.retention_days != wanted.retention_days:
        connection.execute("select remove_retention_policy(%s, if_exists => true)", (columns.fact,))
        if wanted.retention_days is not None:
            connection.execute(
                "select add_retention_policy(%s, drop_after => make_interval(days => %s))",
                (columns.fact, wanted.retention_days),
            )


def _is_laid_out(connection: Connection, columns: Columns) -> bool:
    found = connection.execute(
        """
        select segmentby, orderby from timescaledb_information.hypertable_columnstore_settings
        where hypertable = %s::regclass
        """,
        (columns.fact,),
    ).fetchone()
    return found is not None and found == {"segmentby": columns.segment_by, "orderby": ",".join(columns.order_by)}


def _jobs(connection: Connection, fact: str) -> list[dict[str, Any]]:
    schema, name = fact.split(".")
    return connection.execute(
        """
        select
            jobs.proc_name,
            extract(day from coalesce(config ->> 'compress_after', config ->> 'drop_after')::interval)::integer as days,
            last_run_status, last_run_started_at, total_failures
        from timescaledb_information.jobs as jobs
        left join timescaledb_information.job_stats as stats on stats.job_id = jobs.job_id
        where jobs.hypertable_schema = %s and jobs.hypertable_name = %s
            and jobs.proc_name in ('policy_compression', 'policy_retention')
        """,
        (schema, name),
    ).fetchall()


def _state(fact: str, jobs: Iterable[dict[str, Any]]) -> PolicyState:
    days = {job["proc_name"]: job["days"] for job in jobs}
    failed = [job for job in jobs if job["last_run_status"] == "Failed"]
    problem = "; ".join(
        f"{job['proc_name']} failed at {job['last_run_started_at']:%Y-%m-%d %H:%M} UTC, {job['total_failures']} times"
        for job in failed
    )
    return PolicyState(fact, days.get("policy_compression"), days.get("policy_retention"), problem)
