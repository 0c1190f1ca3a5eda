"""What a person wants to see after a run: tables of what landed, what it cost, and what it says."""

from typing import Any, LiteralString

from rich.table import Table

from dataflow_assets.cli.output import console
from dataflow_assets.cli.runs import RunOutcome
from dataflow_assets.connectors import active_connectors
from dataflow_assets.raw.ddl import table as table_name
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Connection

MOST_CAMPAIGNS = 8

_LEDGER: LiteralString = """
    select connector, stream, sum(rows_read)::bigint as read,
        sum(rows_inserted + rows_updated + rows_deleted)::bigint as written,
        sum(rows_unchanged)::bigint as unchanged, sum(rows_quarantined)::bigint as quarantined,
        sum(requests)::bigint as requests, count(*) filter (where outcome = 'failed') as failed
    from dataflow.sync_ledger where run_id = %s group by connector, stream
"""

_CAMPAIGNS: LiteralString = """
    with spent as (
        select platform, account_id, campaign_id, currency,
            sum(impressions) as impressions, sum(clicks) as clicks, sum(spend) as spend,
            sum(conversions) as conversions, sum(conversion_value) as value
        from metrics.daily_campaign_metrics
        where day > (select max(day) - 28 from metrics.daily_campaign_metrics)
        group by 1, 2, 3, 4
    )
    select campaigns.campaign_name as campaign, spent.currency, spend, impressions, clicks, conversions, value,
        100.0 * clicks / nullif(impressions, 0) as ctr, spend / nullif(clicks, 0) as cpc,
        (value - spend) / nullif(spend, 0) * 100 as roi
    from spent
    left join marts.dim_campaign as campaigns using (platform, account_id, campaign_id)
    left join marts.dim_exchange_rate as fx on spent.currency = fx.currency and fx.valid_to = date '9999-12-31'
    -- Amounts of several currencies have no order of their own.
    order by (value - spend) * fx.rate desc nulls last limit %s
"""

_CHANNELS: LiteralString = """
    with recent as (
        select * from marts.fct_blended_efficiency_daily
        where date_day > (select max(date_day) - 28 from marts.fct_blended_efficiency_daily where spend_home > 0)
    )
    select case when grouping(channel) = 1 then 'all' else channel end as channel, home_currency,
        sum(spend_home) as spend, sum(clicks) as clicks, sum(new_contacts) as contacts, sum(deals_won) as won,
        sum(new_customers) as customers, sum(net_revenue_home) as revenue,
        sum(spend_home) / nullif(sum(new_customers), 0) as cac,
        sum(claimed_conversion_value_home) / nullif(sum(spend_home), 0) as claimed,
        sum(net_revenue_home) / nullif(sum(spend_home), 0) as actual
    from recent
    group by grouping sets ((channel, home_currency), (home_currency))
    order by grouping(channel), sum(spend_home) desc, channel
"""


def print_outcome(platform: Platform, outcome: RunOutcome, *, only_read: bool = False) -> None:
    """One run: its tables (all, or only those it has read), its checks, its failures."""
    console.print(_streams(platform, outcome.run_id, only_read=only_read))
    print_end(platform, outcome)


def print_end(platform: Platform, outcome: RunOutcome) -> None:
    """How a run ended: its checks, its failures."""
    checks = f"checks: {outcome.checks_passed} passed, {len(outcome.checks_failed)} failed"
    checks += f", {len(outcome.warnings)} to note" if outcome.warnings else ""
    how = "done" if outcome.success else "[bold red]failed[/]"
    console.print(f"{how} in {outcome.seconds:.1f} s, mode [bold]{platform.mode}[/]; {checks}")
    for line in (*outcome.failures, *outcome.checks_failed):
        console.print(f"  [red]x[/] {line}", markup=True, highlight=False)
    for line in outcome.warnings:
        console.print(f"  [yellow]![/] {line}", markup=True, highlight=False)


def _streams(platform: Platform, run_id: str, *, only_read: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (
        ("table", "left"),
        ("rows", "right"),
        ("read", "right"),
        ("written", "right"),
        ("unchanged", "right"),
        ("quarantined", "right"),
        ("requests", "right"),
        ("complete to", "left"),
        ("settled through", "left"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # literals above
    with platform.warehouse.connect() as connection:
        ledger = {(row["connector"], row["stream"]): row for row in connection.execute(_LEDGER, (run_id,))}
        for connector in active_connectors(platform.settings):
            marks = _watermarks(connection, connector.name)
            for stream in connector.streams:
                row, mark = ledger.get((connector.name, stream.name)), marks.get(stream.name, {})
                if only_read and row is None:
                    continue
                table.add_row(
                    f"{connector.name}/{stream.name}",
                    f"{_count(connection, table_name(connector, stream)):,}",
                    *(f"{row[name]:,}" if row else "" for name in ("read", "written", "unchanged", "quarantined")),
                    f"{row['requests']:,}" if row else "",
                    f"{mark['watermark']:%Y-%m-%d %H:%M}Z" if mark else "",
                    str(mark.get("settled_through") or ""),
                )
    return table


def _count(connection: Connection, name: Any) -> int:
    from psycopg import sql  # noqa: PLC0415

    row = connection.execute(sql.SQL("select count(*) as n from {}").format(name)).fetchone()
    return int(row["n"]) if row else 0


def _watermarks(connection: Connection, connector: str) -> dict[str, dict[str, Any]]:
    rows = connection.execute(
        """
        select stream, min(watermark) as watermark, min(settled_through) as settled_through
        from dataflow.watermarks where connector = %s group by stream
        """,
        (connector,),
    )
    return {row["stream"]: row for row in rows}


def print_campaigns(platform: Platform) -> None:
    """The best and the worst of four weeks, each in its own currency."""
    table = Table(title="Campaigns, last 28 days, account currency", box=None, title_justify="left")
    for name in ("campaign", "", "spend", "impressions", "clicks", "ctr %", "cpc", "conversions", "value", "roi %"):
        table.add_column(name, justify="left" if name in {"campaign", ""} else "right")
    with platform.warehouse.connect() as connection:
        for row in connection.execute(_CAMPAIGNS, (MOST_CAMPAIGNS,)):
            table.add_row(
                row["campaign"] or "",
                row["currency"],
                f"{row['spend']:,.2f}",
                f"{row['impressions']:,}",
                f"{row['clicks']:,}",
                _ratio(row["ctr"]),
                _ratio(row["cpc"]),
                f"{row['conversions']:,.0f}",
                f"{row['value']:,.2f}",
                _ratio(row["roi"]),
            )
    console.print(table)


def print_channels(platform: Platform) -> None:
    """Advertising against what came of it, per channel and over all, in the home currency."""
    with platform.warehouse.connect() as connection:
        rows = connection.execute(_CHANNELS).fetchall()
    if not rows:
        return
    table = Table(title=f"Channels, last 28 days, {rows[0]['home_currency']}", box=None, title_justify="left")
    for name in (
        "channel",
        "spend",
        "clicks",
        "new contacts",
        "deals won",
        "new customers",
        "net revenue",
        "CAC",
        "claimed ROAS",
        "actual ROAS",
    ):
        table.add_column(name, justify="left" if name == "channel" else "right")
    for row in rows:
        table.add_row(
            row["channel"],
            f"{row['spend']:,.2f}",
            f"{row['clicks']:,}",
            *(f"{row[name]:,}" for name in ("contacts", "won", "customers")),
            f"{row['revenue']:,.2f}",
            *(_ratio(row[name]) for name in ("cac", "claimed", "actual")),
        )
    console.print(table)


def _ratio(value: Any) -> str:
    return "-" if value is None else f"{value:,.2f}"


def requests_of(platform: Platform, run_id: str) -> int:
    """Requests a run made to vendors, as its ledger says."""
    with platform.warehouse.connect() as connection:
        row = connection.execute(
            "select coalesce(sum(requests), 0)::bigint as n from dataflow.sync_ledger where run_id = %s", (run_id,)
        ).fetchone()
    return int(row["n"]) if row else 0
