"""A `StreamReport` as metadata for people: totals, one table of accounts, and a preview of the rows."""

from typing import Any

import dagster as dg
from psycopg import sql

from dataflow_assets.connectors.base import Connector, Stream
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.outcome import AccountReport, StreamReport
from dataflow_assets.resources.platform import Platform

PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 10
LONGEST_CELL = 40


def summary(report: StreamReport, mode: str) -> dict[str, Any]:
    """Metadata of a materialization. Counts are rows, waits are seconds, instants are UTC."""
    counts, tally = report.counts, report.tally
    settled = [a.after.settled_through for a in report.accounts if a.after and a.after.settled_through]
    watermarks = [account.after.instant for account in report.accounts if account.after]
    before = [account.before.instant for account in report.accounts if account.before]
    values: dict[str, Any] = {
        "mode": mode,
        "rows_read": counts.read,
        "rows_written": counts.written,
        "rows_inserted": counts.inserted,
        "rows_updated": counts.updated,
        "rows_deleted": counts.deleted,
        "rows_unchanged": counts.unchanged,
        "rows_quarantined": counts.quarantined,
        "requests": tally.requests,
        "retries": tally.retries,
        "seconds_waited_for_budget": round(tally.budget_wait_seconds, 3),
        "seconds_waited": round(tally.budget_wait_seconds + tally.retry_wait_seconds, 3),
        "response_bytes": tally.bytes,
        **_saved(report),
        "touched_days": len({day for account in report.accounts for day in account.touched_days}),
        "accounts": dg.MetadataValue.md(_accounts_table(report.accounts)),
    }
    if watermarks:
        values["watermark_after"] = min(watermarks).isoformat()
    if before:
        values["watermark_before"] = min(before).isoformat()
    if settled:
        values["settled_through"] = min(settled).isoformat()
    return values


def _saved(report: StreamReport) -> dict[str, Any]:
    """What the accounts that came through would have cost in full, and where that figure is from."""
    came = [(account, account.full) for account in report.accounts if account.full]
    if not came:
        return {}
    used, full = sum(account.tally.requests for account, _ in came), sum(cost.requests for _, cost in came)
    measured = all(cost.is_measured for _, cost in came)
    return {
        "requests_of_a_full_sync": full,
        "requests_of_a_full_sync_are": "measured, in the ledger" if measured else "estimated, from rows and page size",
        "requests_saved_percent": round(100 * max(1 - used / full, 0), 1) if full else 0.0,
    }


def _accounts_table(accounts: list[AccountReport]) -> str:
    head = "| account | window | read | written | unchanged | quarantined | requests | watermark | settled through | |"
    lines = [head, "|---|---|--:|--:|--:|--:|--:|---|---|---|"]
    for account in accounts:
        counts, after = account.counts, account.after
        windows = ", ".join(str(window) for window in account.windows) or "none"
        cells = [
            f"{account.account.name} {account.account.id}",
            windows,
            str(counts.read),
            str(counts.written),
            str(counts.unchanged),
            str(counts.quarantined),
            str(account.tally.requests),
            f"{after.instant:%Y-%m-%d %H:%M}" if after else "",
            str(after.settled_through or "") if after else "",
            account.error or "ok",
        ]
        lines.append("| " + " | ".join(_cell(cell, 200) for cell in cells) + " |")
    return "\n".join(lines)


async def preview(platform: Platform, connector: Connector, stream: Stream) -> dg.MarkdownMetadataValue:
    """The rows written last, as a small table."""
    names = stream.column_names[:PREVIEW_COLUMNS]
    query = sql.SQL("select {} from {} order by _synced_at desc, {} limit {}").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        table(connector, stream),
        sql.SQL(", ").join(map(sql.Identifier, stream.key)),
        sql.Literal(PREVIEW_ROWS),
    )
    async with await platform.warehouse.connect_async() as connection:
        rows = await (await connection.execute(query)).fetchall()
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(str(row[n]), LONGEST_CELL) for n in names) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _cell(value: str, longest: int) -> str:
    flat = value.replace("|", "\\|").replace("\n", " ")
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
