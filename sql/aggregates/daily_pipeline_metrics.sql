-- Deals created, won and lost per day, pipeline and channel, in the currency of the deal.
-- source: marts.fct_pipeline_daily
-- source_day: date_day
-- bucket: day
-- key: day, account_id, pipeline_id, channel, currency
-- rollups: week, month
-- ratio win_rate: deals_won * 100 / (deals_won + deals_lost)
-- ratio amount_per_deal_won: amount_won / deals_won
select
    time_bucket('1 day', date_day) as day,
    account_id,
    pipeline_id,
    channel,
    currency,
    sum(deals_created)::bigint as deals_created,
    sum(amount_created) as amount_created,
    sum(deals_won)::bigint as deals_won,
    sum(amount_won) as amount_won,
    sum(deals_lost)::bigint as deals_lost,
    sum(amount_lost) as amount_lost,
    count(*) as source_rows
from marts.fct_pipeline_daily
group by 1, 2, 3, 4, 5
