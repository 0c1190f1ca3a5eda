"""The queries a dashboard asks, each on the facts and on the aggregate of its grain."""

from dataclasses import dataclass

_SUMS = "sum(impressions)::bigint, sum(clicks)::bigint, sum(spend), sum(conversions), sum(conversion_value)"
_ADS = "marts.fct_ad_performance_daily where entity_level = 'ad' and date_day"
# Bounds are given as parameters: `last` is the newest day; windows end with it.
_LAST_30 = ">= %(last)s::date - 29"
_LAST_60 = ">= %(last)s::date - 59"
_YEAR = "> (%(last)s::date - interval '12 months')::date"


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
    Query(
        "campaign table, last 30 days",
        f"select platform, account_id, campaign_id, currency, {_SUMS} from {_ADS} {_LAST_30} group by 1, 2, 3, 4",
        f"select platform, account_id, campaign_id, currency, {_SUMS} from metrics.daily_campaign_metrics "
        f"where day {_LAST_30} group by 1, 2, 3, 4",
    ),
    Query(
        "campaign table, this month",
        f"select platform, account_id, campaign_id, currency, {_SUMS} from {_ADS} "
        ">= date_trunc('month', %(last)s::date) group by 1, 2, 3, 4",
        "select platform, account_id, campaign_id, currency, impressions, clicks, spend, conversions, conversion_value "
        "from metrics.monthly_campaign_metrics where month = date_trunc('month', %(last)s::date)::date",
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
        "revenue by channel and month",
        "select date_trunc('month', date_day)::date, channel, currency, sum(gross), sum(refunds), sum(fees), sum(net) "
        "from marts.fct_revenue_daily group by 1, 2, 3",
        "select month, channel, currency, sum(gross), sum(refunds), sum(fees), sum(net) "
        "from metrics.monthly_revenue_metrics group by 1, 2, 3",
        "marts.fct_revenue_daily",
    ),
    Query(
        "pipeline by month",
        "select date_trunc('month', date_day)::date, pipeline_id, channel, currency, sum(deals_created)::bigint, "
        "sum(amount_created), sum(deals_won)::bigint, sum(amount_won) from marts.fct_pipeline_daily "
        "group by 1, 2, 3, 4",
        "select month, pipeline_id, channel, currency, sum(deals_created)::bigint, sum(amount_created), "
        "sum(deals_won)::bigint, sum(amount_won) from metrics.monthly_pipeline_metrics group by 1, 2, 3, 4",
        "marts.fct_pipeline_daily",
    ),
)
