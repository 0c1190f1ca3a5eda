"""Deterministic facts of 500 days, and the raw rows of money and deals, made by the server itself."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from dataflow_assets.connectors import all_connectors
from dataflow_assets.embedded import acquire, erase
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.warehouse import Connection, Warehouse

DAYS = 500
LAST = date(2026, 10, 21)  # within a week and a month, as most days are
FIRST = LAST - timedelta(days=DAYS - 1)
SLICE_DAYS = 25
DATABASE = "dataflow_benchmark_aggregates"


@dataclass(frozen=True)
class Size:
    """Ads, and what they belong to."""

    ads: int

    @property
    def campaigns(self) -> int:
        """Ten ads each."""
        return max(1, self.ads // 10)

    @property
    def accounts(self) -> int:
        """Twenty campaigns each."""
        return max(1, self.campaigns // 20)

    @property
    def payments(self) -> int:
        """A day: as many as campaigns."""
        return max(20, self.ads // 10)

    @property
    def deals(self) -> int:
        """A day."""
        return max(12, self.ads // 50)


@contextmanager
def warehouse(database_url: str | None) -> Iterator[Warehouse]:
    """An empty database with the schema: on the server named, or on a private one. Gone afterwards."""
    state, lease = None, None
    if database_url is None:
        state = Path(mkdtemp(prefix="dataflow-benchmark-"))
        state.chmod(0o755)
        lease = acquire(state)
        database_url = lease.endpoints.database_url
    try:
        with psycopg.connect(database_url, autocommit=True) as server:
            server.execute(f"drop database if exists {DATABASE} with (force)".encode())
            # In template1 TimescaleDB keeps a session of its own.
            server.execute(f"create database {DATABASE} template template0".encode())
            found = Warehouse(database_url.rsplit("/", 1)[0] + f"/{DATABASE}")
            found.migrate(s for connector in all_connectors() for s in create_statements(connector))
            yield found
            server.execute(f"drop database {DATABASE} with (force)".encode())
    finally:
        if lease is not None and state is not None:
            lease.release()
            erase(state)
            shutil.rmtree(state)


def fill(connection: Connection, size: Size) -> None:
    """Facts of ads, of campaigns as the sums of their ads, and of conversions; money and deals with their raw rows."""
    for fact in ("fct_ad_performance_daily", "fct_campaign_performance"):
        # Amounts in the home currency are no part of this.
        home = "select from information_schema.columns where table_name = %s and column_name = 'home_currency'"
        if connection.execute(home.encode(), (fact,)).fetchone() is not None:
            connection.execute(f"alter table marts.{fact} alter home_currency set default 'EUR'".encode())
    for start in range(0, DAYS, SLICE_DAYS):
        first = FIRST + timedelta(days=start)
        last = first + timedelta(days=SLICE_DAYS - 1)
        fill_days(connection, size, first, last)
        days = {"first": first, "last": last, "payments": size.payments, "deals": size.deals}
        for statement in (_PAYMENTS, _REVENUE, _DEALS):
            connection.execute(statement.encode(), days)
    connection.execute(_PIPELINE.encode())
    connection.execute("vacuum analyze")


def fill_days(connection: Connection, size: Size, first: date, last: date, *, seed: int = 0) -> None:
    """The facts of advertising of some days, which must be empty. Another seed gives other figures."""
    values = {
        "first": first,
        "last": last,
        "seed": seed,
        "ads": size.ads,
        "campaigns": size.campaigns,
        "accounts": size.accounts,
    }
    for statement in (_ADS, _CAMPAIGNS, _CONVERSIONS):
        connection.execute(statement.encode(), values)


_DAYS = "generate_series(%(first)s::date, %(last)s::date, interval '1 day') as days (day)"
_PLATFORM = "(array['google_ads', 'meta_ads', 'linkedin_ads'])[1 + {account} %% 3]"
_CURRENCY = "case when {account} %% 5 = 0 then 'USD' else 'EUR' end"
# Every tenth row is one of an ad that was not shown.
_ADS = f"""
    insert into marts.fct_ad_performance_daily (platform, entity_level, account_id, entity_id, date_day, campaign_id,
        ad_group_id, ad_id, currency, report_time_zone, impressions, clicks, clicks_all, spend, conversions,
        conversion_value)
    select {_PLATFORM.format(account="account")}, 'ad', 'account' || account, 'ad' || ad, day::date,
        'campaign' || campaign, 'group' || ad / 3, 'ad' || ad, {_CURRENCY.format(account="account")}, null,
        shown * (100 + noise), shown * (noise / 20), shown * (noise / 18),
        (shown * noise)::numeric / 100, shown * (noise / 400), (shown * noise / 40)::numeric
    from generate_series(1, %(ads)s) as ads (ad)
    cross join {_DAYS}
    cross join lateral (select ad %% %(campaigns)s as campaign) as c
    cross join lateral (select campaign %% %(accounts)s as account) as a
    cross join lateral (select (ad * 7919::bigint + extract(epoch from day)::bigint / 86400 * 104729 + %(seed)s)
        %% 1000 as noise) as n
    cross join lateral (select (noise %% 10 <> 0)::int as shown) as s
"""
_CAMPAIGNS = """
    insert into marts.fct_campaign_performance (platform, account_id, campaign_id, date_day, currency,
        report_time_zone, impressions, clicks, clicks_all, spend, conversions, conversion_value, ctr, cpc, cpm, cpa,
        conversion_rate, roas, roi)
    select platform, account_id, campaign_id, date_day, currency, null, sum(impressions), sum(clicks),
        sum(clicks_all), sum(spend), sum(conversions), sum(conversion_value), 0, 0, 0, 0, 0, 0, 0
    from marts.fct_ad_performance_daily where date_day between %(first)s and %(last)s
    group by 1, 2, 3, 4, 5
"""
_CONVERSIONS = """
    insert into marts.fct_conversions_daily (platform, account_id, campaign_id, action, attribution_window, counts_as,
        is_counted, date_day, currency, conversions, conversion_value, home_currency)
    select platform, account_id, campaign_id, action, '', counts_as, is_counted, date_day, currency, conversions,
        conversion_value, 'EUR'
    from marts.fct_campaign_performance
    cross join (values ('purchase', 'purchase', true), ('omni_purchase', 'purchase', false)) as
        actions (action, counts_as, is_counted)
    where date_day between %(first)s and %(last)s
"""
# Every tenth movement gives something back. The channel is that of the customer, which raw rows do not tell.
_PAYMENTS = f"""
    insert into raw_stripe.balance_transactions (id, amount, fee, net, currency, type, reporting_category, status,
        source, created, _account_id, _sync_id, _synced_at)
    select 'txn_' || to_char(day, 'YYYYMMDD') || n, amount, fee, amount - fee,
        (array['eur', 'usd', 'gbp'])[1 + n %% 3], kind, kind, 'available', 'ch_' || n,
        day at time zone 'UTC' + n * interval '1 second', 'acct_1', gen_random_uuid(), now()
    from {_DAYS}
    cross join generate_series(1, %(payments)s) as movements (n)
    cross join lateral (select case when n %% 10 = 0 then 'refund' else 'charge' end as kind) as k
    cross join lateral (select (1000 + n * 37 %% 9000) * case kind when 'refund' then -1 else 1 end as amount) as a
    cross join lateral (select case kind when 'charge' then 30 + amount * 3 / 100 else 0 end as fee) as f
"""
_CHANNELS = "array['google_ads', 'meta_ads', 'linkedin_ads', 'direct', 'organic', 'unknown']"
_REVENUE = f"""
    insert into marts.fct_revenue_daily (date_day, account_id, currency, channel, gross, refunds, disputes, fees, other,
        net, home_currency, transactions, unconverted_transactions, new_customers)
    select (created at time zone 'UTC')::date, _account_id, upper(currency),
        ({_CHANNELS})[1 + abs(amount) %% 6],
        coalesce(sum(amount) filter (where type = 'charge'), 0) / 100.0,
        coalesce(sum(amount) filter (where type = 'refund'), 0) / 100.0,
        0, sum(-fee) / 100.0, 0, sum(net) / 100.0, 'EUR', count(*), 0, 0
    from raw_stripe.balance_transactions
    where (created at time zone 'UTC')::date between %(first)s and %(last)s
    group by 1, 2, 3, 4
"""
# What happened to a deal, and when.
DEAL_STEPS = """
    cross join lateral (
        values
            ('created', createdate),
            (case when hs_is_closed_won then 'won' when hs_is_closed then 'lost' end, closedate)
    ) as steps (step, happened_at)
    where step is not null
"""
# Two of three are closed a month later, half of them won.
_DEALS = f"""
    insert into raw_hubspot.deals (id, amount, deal_currency_code, pipeline, createdate, closedate, hs_is_closed,
        hs_is_closed_won, _account_id, _sync_id, _synced_at)
    select to_char(day, 'YYYYMMDD') || n, 100 + n * 37 %% 900, 'EUR', (array['new', 'renewal'])[1 + n %% 2],
        day at time zone 'UTC' + n * interval '1 minute',
        (day + interval '30 days') at time zone 'UTC' + n * interval '1 minute',
        n %% 3 > 0, n %% 3 = 1, 'portal', gen_random_uuid(), now()
    from {_DAYS}
    cross join generate_series(1, %(deals)s) as deals (n)
"""
_PIPELINE = f"""
    insert into marts.fct_pipeline_daily (date_day, account_id, pipeline_id, channel, currency, deals_created,
        amount_created, deals_won, amount_won, deals_lost, amount_lost, home_currency, amount_created_home,
        amount_won_home, amount_lost_home, unconverted_deals)
    select (happened_at at time zone 'UTC')::date, _account_id, pipeline, ({_CHANNELS})[1 + amount::int % 6],
        deal_currency_code, count(*) filter (where step = 'created'),
        coalesce(sum(amount) filter (where step = 'created'), 0), count(*) filter (where step = 'won'),
        coalesce(sum(amount) filter (where step = 'won'), 0), count(*) filter (where step = 'lost'),
        coalesce(sum(amount) filter (where step = 'lost'), 0), 'EUR', 0, 0, 0, 0
    from raw_hubspot.deals
    {DEAL_STEPS}
    group by 1, 2, 3, 4, 5
"""
