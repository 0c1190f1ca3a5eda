-- Campaign figures per day: the base of the dashboard's campaign tables. Additive sums only; ratios are made from them.
-- source: marts.fct_campaign_performance
-- source_day: date_day
-- bucket: day
-- key: day, platform, account_id, campaign_id, currency
-- rollups: week, month
-- trailing: 7, 30, 90, 365
-- index: campaign_id
-- ratio ctr: clicks * 100 / impressions
-- ratio cpc: spend / clicks
-- ratio cpm: spend * 1000 / impressions
-- ratio cpa: spend / conversions
-- ratio conversion_rate: conversions * 100 / clicks
-- ratio roas: conversion_value / spend
-- ratio roi: (conversion_value - spend) * 100 / spend
select
    time_bucket('1 day', date_day) as day,
    platform,
    account_id,
    campaign_id,
    currency,
    sum(impressions)::bigint as impressions,
    sum(clicks)::bigint as clicks,
    sum(spend) as spend,
    sum(conversions) as conversions,
    sum(conversion_value) as conversion_value,
    count(*) as source_rows
from marts.fct_campaign_performance
group by 1, 2, 3, 4, 5
