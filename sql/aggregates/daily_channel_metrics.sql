-- Platform and account figures per day, in account currency: the dashboard's channel table.
-- source: metrics.daily_campaign_metrics
-- source_day: day
-- bucket: day
-- key: day, platform, account_id, currency
-- rollups: week, month
-- ratio ctr: clicks * 100 / impressions
-- ratio cpc: spend / clicks
-- ratio cpm: spend * 1000 / impressions
-- ratio cpa: spend / conversions
-- ratio conversion_rate: conversions * 100 / clicks
-- ratio roas: conversion_value / spend
-- ratio roi: (conversion_value - spend) * 100 / spend
select
    time_bucket('1 day', day) as day,
    platform,
    account_id,
    currency,
    sum(impressions)::bigint as impressions,
    sum(clicks)::bigint as clicks,
    sum(spend) as spend,
    sum(conversions) as conversions,
    sum(conversion_value) as conversion_value,
    sum(source_rows)::bigint as source_rows
from metrics.daily_campaign_metrics
group by 1, 2, 3, 4
