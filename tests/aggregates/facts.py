"""Rows of the facts that aggregates stand on, and what the aggregates must then hold, said once more and otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from dataflow_assets.aggregates.registry import Aggregate, all_aggregates
from dataflow_assets.resources.warehouse import Connection

AGGREGATES = {aggregate.name: aggregate for aggregate in all_aggregates()}
BUCKETS = {"daily": "day", "weekly": "week", "monthly": "month"}


@dataclass(frozen=True)
class Family:
    """What one family adds up: `counts` are whole numbers, `amounts` are not. `rest` fills the fact's other columns."""

    name: str
    fact: str
    key: tuple[str, ...]
    counts: tuple[str, ...]
    amounts: tuple[str, ...]
    rest: tuple[tuple[str, Any], ...] = ()

    @property
    def figures(self) -> tuple[str, ...]:
        return self.counts + self.amounts

    def aggregate(self, prefix: str) -> Aggregate:
        """The daily, weekly or monthly one."""
        return AGGREGATES[f"{prefix}_{self.name}_metrics"]

    def expected(self, bucket: str) -> str:
        """What the aggregate must hold, from the fact itself, also for a roll-up of a roll-up."""
        sums = [f"sum({name}) as {name}" for name in self.figures]
        columns = ", ".join([f"date_trunc('{bucket}', date_day)::date as {bucket}", *self.key, *sums])
        groups = ", ".join(str(n + 1) for n in range(1 + len(self.key)))
        return f"select {columns}, count(*) as source_rows from marts.{self.fact} group by {groups}"

    def differences(self, connection: Connection, prefix: str) -> list[dict[str, Any]]:
        """Rows that the aggregate has and must not have, and those it lacks."""
        aggregate, bucket = self.aggregate(prefix), BUCKETS[prefix]
        columns = ", ".join([bucket, *self.key, *self.figures, "source_rows"])
        stored = f"select {columns} from {aggregate.relation}"
        expected = f"select {columns} from ({self.expected(bucket)}) as expected"
        query = f"({stored} except all {expected}) union all ({expected} except all {stored})"
        return connection.execute(query.encode()).fetchall()


_RATIOS = ("ctr", "cpc", "cpm", "cpa", "conversion_rate", "roas", "roi")
_DEAL_AMOUNTS = ("amount_created", "amount_won", "amount_lost")
_AD_KEY = ("platform", "account_id", "campaign_id", "currency")
CAMPAIGN = Family(
    "campaign",
    "fct_campaign_performance",
    _AD_KEY,
    ("impressions", "clicks"),
    ("spend", "conversions", "conversion_value"),
    (("clicks_all", 0), *((name, 0) for name in _RATIOS)),
)
CHANNEL = Family("channel", CAMPAIGN.fact, ("platform", "account_id", "currency"), CAMPAIGN.counts, CAMPAIGN.amounts)
PLATFORM = Family("platform", CAMPAIGN.fact, ("platform", "currency"), CAMPAIGN.counts, CAMPAIGN.amounts)
CONVERSION = Family(
    "conversion",
    "fct_conversions_daily",
    ("platform", "account_id", "counts_as", "action", "attribution_window", "is_counted", "currency"),
    (),
    ("conversions", "conversion_value"),
)
REVENUE = Family(
    "revenue",
    "fct_revenue_daily",
    ("account_id", "channel", "currency"),
    ("transactions", "new_customers"),
    ("gross", "refunds", "disputes", "fees", "other", "net"),
    (("unconverted_transactions", 0),),
)
PIPELINE = Family(
    "pipeline",
    "fct_pipeline_daily",
    ("account_id", "pipeline_id", "channel", "currency"),
    ("deals_created", "deals_won", "deals_lost"),
    _DEAL_AMOUNTS,
    (
        ("home_currency", "EUR"),
        ("unconverted_deals", 0),
        *((f"amount_{n}_home", 0) for n in ("created", "won", "lost")),
    ),
)
FAMILIES = (CAMPAIGN, CHANNEL, PLATFORM, CONVERSION, REVENUE, PIPELINE)


def put(connection: Connection, family: Family, day: date, thing: dict[str, Any], figures: dict[str, Any]) -> None:
    """One row of a fact: of a day and a thing, with its figures or with nothing."""
    row = {"date_day": day, **dict(family.rest), **dict.fromkeys(family.figures, 0), **thing, **figures}
    columns, values = ", ".join(row), ", ".join(["%s"] * len(row))
    query = f"insert into marts.{family.fact} ({columns}) values ({values})"
    connection.execute(query.encode(), tuple(row.values()))


def insert_days(connection: Connection, first: date, last: date, things: int) -> None:
    """Rows of as many campaigns on every day, all alike."""
    connection.execute(
        """
        insert into marts.fct_campaign_performance (platform, account_id, campaign_id, date_day, currency, impressions,
            clicks, clicks_all, spend, conversions, conversion_value, ctr, cpc, cpm, cpa, conversion_rate, roas, roi)
        select 'meta_ads', (n %% 3)::text, n::text, day::date, 'EUR', 10, 1, 1, 2.5, 0, 0, 0, 0, 0, 0, 0, 0, 0
        from generate_series(%s::date, %s::date, interval '1 day') as day, generate_series(1, %s) as n
        """,
        (first, last, things),
    )


def without_home_currency(connection: Connection) -> None:
    """Facts whose rows need not say their home currency: these tests are not about it."""
    for row in connection.execute(
        """
        select table_name from information_schema.columns
        where table_schema = 'marts' and table_name like 'fct%' and column_name = 'home_currency'
        """
    ).fetchall():
        connection.execute(f"alter table marts.{row['table_name']} alter home_currency set default 'EUR'".encode())


def differing(connection: Connection, families: Sequence[Family] = FAMILIES) -> list[str]:
    """Aggregates that are not what the facts say."""
    return [f"{p}_{f.name}" for f in families for p in BUCKETS if f.differences(connection, p)]
