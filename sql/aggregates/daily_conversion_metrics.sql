-- Conversions per day by action and attribution window. One conversion has several names: add up counted rows only.
-- source: marts.fct_conversions_daily
-- source_day: date_day
-- bucket: day
-- key: day, platform, account_id, counts_as, action, attribution_window, is_counted, currency
-- rollups: week, month
-- ratio value_per_conversion: conversion_value / conversions
select
    time_bucket('1 day', date_day) as day,
    platform,
    account_id,
    counts_as,
    action,
    attribution_window,
    is_counted,
    currency,
    sum(conversions) as conversions,
    sum(conversion_value) as conversion_value,
    count(*) as source_rows
from marts.fct_conversions_daily
group by 1, 2, 3, 4, 5, 6, 7, 8
