"""The queries a dashboard asks, each on the facts and on the aggregate of its grain.

Advertising is asked of the facts of ads, revenue and pipeline of the raw rows: their facts are days already.
"""

from dataclasses import dataclass

from benchmarks.aggregates.data import DEAL_STEPS

_SUMS = "sum(impressions)::bigint, sum(clicks)::bigint, sum(spend), sum(conversions), sum(conversion_value)"
_ADS = "marts.fct_ad_performance_daily where entity_level = 'ad' and date_day"
# Bounds are given as parameters: `last` is the newest day; windows end with it.
_LAST_30 = ">= %(last)s::date - 29"
_LAST_60 = ">= %(last)s::date - 59"
_YEAR = "> (%(last)s::date - interval '12 months')::date"
_CAMPAIGN = "platform, account_id, campaign_id, currency"
_ADDED = "impressions, clicks, spend, conversions, conversion_value"
# A page of the campaign table; the ids make it one answer.
_PAGE = "1, 2, 3, 4 limit 50"


@dataclass(frozen=True)
class Query:
    """One tile or table. Both give the same rows, whatever their order."""

    name: str
    on_fact: str
    on_aggregate: str
    fact: str = "marts.fct_ad_performance_daily"


QUERIES = (
    Query(
        "KPI cards: 30 days and the 30 before",
        f"select date_day >= %(last)s::date - 29, currency, {_SUMS} from {_ADS} {_LAST_60} group by 1, 2",
        f"select day >= %(last)s::date - 29, currency, {_SUMS} from metrics.daily_platform_metrics "
        f"where day {_LAST_60} group by 1, 2",
    ),
    Query(
        "daily totals by channel, 12 months",
        f"select date_day, platform, currency, {_SUMS} from {_ADS} {_YEAR} group by 1, 2, 3",
        f"select day, platform, currency, {_SUMS} from metrics.daily_platform_metrics "
        f"where day {_YEAR} group by 1, 2, 3",
    ),
    Query(
        "weekly trend by channel, all weeks",
        f"select date_trunc('week', date_day)::date, platform, currency, {_SUMS} from {_ADS} is not null "
        "group by 1, 2, 3",
        f"select week, platform, currency, {_SUMS} from metrics.weekly_platform_metrics group by 1, 2, 3",
    ),
    Query(
        "monthly trend by channel, all months",
        f"select date_trunc('month', date_day)::date, platform, currency, {_SUMS} from {_ADS} is not null "
        "group by 1, 2, 3",
        f"select month, platform, currency, {_SUMS} from metrics.monthly_platform_metrics group by 1, 2, 3",
    ),
    *(
        Query(
            f"campaign table, {name}",
            f"select {_CAMPAIGN}, {_SUMS} from {_ADS} {days} group by 1, 2, 3, 4 order by sum(spend) desc, {_PAGE}",
            f"select {_CAMPAIGN}, {_ADDED} from {relation} order by spend desc, {_PAGE}",
        )
        for name, days, relation in (
            (
                "this month",
                ">= date_trunc('month', %(last)s::date)::date",
                "metrics.monthly_campaign_metrics where month = date_trunc('month', %(last)s::date)::date",
            ),
            ("last 30 days", _LAST_30, "metrics.trailing_campaign_metrics where days = 30"),
            ("12 months", _YEAR, "metrics.trailing_campaign_metrics where days = 365"),
        )
    ),
    Query(
        "campaign table, any other 30 days",
        f"select {_CAMPAIGN}, {_SUMS} from {_ADS} between %(last)s::date - 36 and %(last)s::date - 7 "
        f"group by 1, 2, 3, 4 order by sum(spend) desc, {_PAGE}",
        f"select {_CAMPAIGN}, {_ADDED} from metrics.campaign_between(%(last)s::date - 36, %(last)s::date - 7) "
        f"order by spend desc, {_PAGE}",
    ),
    Query(
        "one campaign by day, 12 months",
        f"select date_day, {_SUMS} from {_ADS} {_YEAR} and campaign_id = %(campaign)s group by 1",
        "select day, impressions, clicks, spend, conversions, conversion_value from metrics.daily_campaign_metrics "
        f"where day {_YEAR} and campaign_id = %(campaign)s",
    ),
    Query(
        "conversions by action and month",
        "select date_trunc('month', date_day)::date, platform, counts_as, action, is_counted, currency, "
        "sum(conversions), sum(conversion_value) from marts.fct_conversions_daily group by 1, 2, 3, 4, 5, 6",
        "select month, platform, counts_as, action, is_counted, currency, sum(conversions), sum(conversion_value) "
        "from metrics.monthly_conversion_metrics group by 1, 2, 3, 4, 5, 6",
        "marts.fct_conversions_daily",
    ),
    Query(
        "revenue by month",
        "select date_trunc('month', created at time zone 'UTC')::date, upper(currency), "
        "sum(amount) filter (where type = 'charge') / 100.0, "
        "coalesce(sum(amount) filter (where type = 'refund'), 0) / 100.0, "
        "sum(-fee) / 100.0, sum(net) / 100.0 from raw_stripe.balance_transactions group by 1, 2",
        "select month, currency, sum(gross), sum(refunds), sum(fees), sum(net) from metrics.monthly_revenue_metrics "
        "group by 1, 2",
        "raw_stripe.balance_transactions",
    ),
    Query(
        "pipeline by month",
        f"""
        select date_trunc('month', happened_at at time zone 'UTC')::date, pipeline, deal_currency_code,
            count(*) filter (where step = 'created'), coalesce(sum(amount) filter (where step = 'created'), 0),
            count(*) filter (where step = 'won'), coalesce(sum(amount) filter (where step = 'won'), 0)
        from raw_hubspot.deals
        {DEAL_STEPS}
        group by 1, 2, 3
        """,
        "select month, pipeline_id, currency, sum(deals_created)::bigint, sum(amount_created), sum(deals_won)::bigint, "
        "sum(amount_won) from metrics.monthly_pipeline_metrics group by 1, 2, 3",
        "raw_hubspot.deals",
    ),
)
