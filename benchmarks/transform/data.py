"""Raw rows of one Meta account, as a sync would have stored them, made by the server itself."""

from datetime import date, timedelta

from dataflow_assets.resources.warehouse import Connection

LAST = date(2026, 10, 31)
ADS = 2_000  # a day; ten are a campaign, two an ad set
SLICE_DAYS = 50


def fill(connection: Connection, first: date, last: date) -> None:
    """Reports of three levels for days that have none, a conversion on every third ad, in a few transactions."""
    connection.execute(_ACCOUNT.encode())
    start = first
    while start <= last:
        end = min(start + timedelta(days=SLICE_DAYS - 1), last)
        for statement in (_REPORT_AD, _report("insights_ad_set", "adset"), _report("insights_campaign", "campaign")):
            connection.execute(statement.encode(), {"first": start, "last": end, "ads": ADS, "seed": 0})
        start = end + timedelta(days=1)
    connection.execute("vacuum analyze")


def restate(connection: Connection, day: date, seed: int) -> None:
    """Other figures for a day."""
    with connection.transaction():
        for table in ("insights_ad", "insights_ad_set", "insights_campaign"):
            connection.execute(f"delete from raw_meta_ads.{table} where date_start = %s".encode(), (day,))
        for statement in (_REPORT_AD, _report("insights_ad_set", "adset"), _report("insights_campaign", "campaign")):
            connection.execute(statement.encode(), {"first": day, "last": day, "ads": ADS, "seed": seed})


def fill_facts(connection: Connection, first: date, last: date) -> None:
    """What dbt would make of these days, without the time dbt would take: history that is only there."""
    home = "select from information_schema.columns where table_name = %s and column_name = 'home_currency'"
    if connection.execute(home.encode(), ("fct_ad_performance_daily",)).fetchone() is not None:
        connection.execute("alter table marts.fct_ad_performance_daily alter home_currency set default 'EUR'")
    for level, entity, group, ad in (
        ("campaign", "campaign_id", "null", "null"),
        ("ad_group", "adset_id", "adset_id", "null"),
        ("ad", "ad_id", "adset_id", "ad_id"),
    ):
        table = {"campaign": "insights_campaign", "ad_group": "insights_ad_set", "ad": "insights_ad"}[level]
        connection.execute(
            f"""
            insert into marts.fct_ad_performance_daily (platform, entity_level, account_id, entity_id, date_day,
                campaign_id, ad_group_id, ad_id, currency, impressions, clicks, clicks_all, spend, conversions,
                conversion_value)
            select 'meta_ads', '{level}', account_id, {entity}, date_start, campaign_id, {group}, {ad}, 'EUR',
                impressions, inline_link_clicks, clicks, spend, 0, 0
            from raw_meta_ads.{table} where date_start between %(first)s and %(last)s
            """.encode(),
            {"first": first, "last": last},
        )
    connection.execute("vacuum analyze")


_SYNC = "gen_random_uuid(), now()"
_ACCOUNT = f"""
    insert into raw_meta_ads.ad_accounts (id, account_id, name, currency, timezone_name, account_status, _account_id,
        _sync_id, _synced_at)
    values ('act_1', '1', 'One', 'EUR', 'Europe/Berlin', 1, '1', {_SYNC}) on conflict do nothing
"""
_ACTIONS = """
    case when {count} > 0 then jsonb_build_array(
        jsonb_build_object('action_type', 'omni_purchase', 'value', ({count})::text)) end
"""
_REPORT_AD = f"""
    insert into raw_meta_ads.insights_ad (date_start, account_id, account_currency, campaign_id, adset_id, ad_id,
        impressions, clicks, inline_link_clicks, spend, actions, action_values, _account_id, _sync_id, _synced_at)
    select day::date, '1', 'EUR', 'c' || ad / 10, 's' || ad / 2, 'a' || ad, 100 + noise, noise / 10, noise / 12,
        noise::numeric / 100, {_ACTIONS.format(count="sold")}, {_ACTIONS.format(count="sold * 20")}, '1', {_SYNC}
    from generate_series(%(first)s::date, %(last)s::date, interval '1 day') as days (day)
    cross join generate_series(1, %(ads)s) as ads (ad)
    cross join lateral (
        select (ad * 7919::bigint + extract(epoch from day)::bigint / 86400 * 104729 + %(seed)s) %% 1000 as noise
    ) as n
    cross join lateral (select case when ad %% 3 = 0 then noise / 100 else 0 end as sold) as s
"""


def _report(table: str, level: str) -> str:
    """The sums of the ads, as the vendor reports them for a level."""
    ids = "campaign_id, adset_id" if level == "adset" else "campaign_id"
    sold = "sum(coalesce((actions -> 0 ->> 'value')::numeric, 0))"
    worth = "sum(coalesce((action_values -> 0 ->> 'value')::numeric, 0))"
    return f"""
        insert into raw_meta_ads.{table} (date_start, account_id, account_currency, {ids}, impressions, clicks,
            inline_link_clicks, spend, actions, action_values, _account_id, _sync_id, _synced_at)
        select date_start, '1', 'EUR', {ids}, sum(impressions), sum(clicks), sum(inline_link_clicks), sum(spend),
            {_ACTIONS.format(count=sold)}, {_ACTIONS.format(count=worth)}, '1', {_SYNC}
        from raw_meta_ads.insights_ad where date_start between %(first)s and %(last)s and %(ads)s + %(seed)s > 0
        group by date_start, {ids}
    """
