{{ config(
    materialized='incremental',
    incremental_strategy='replace_range',
    on_schema_change='fail',
    full_refresh=false,
) }}

with reported as (
    select *
    from {{ ref('int_ad_performance_daily') }}
    where {{ in_build_windows('date_day') }}
),

performance as (
    select * from reported
    union all
    {{ unallocated_rows('reported', 'ad_group') }}
    union all
    {{ unallocated_rows('reported', 'ad') }}
)

select
    platform,
    entity_level,
    account_id,
    entity_id,
    date_day,
    campaign_id,
    ad_group_id,
    ad_id,
    currency,
    report_time_zone,
    impressions,
    clicks,
    clicks_all,
    spend,
    conversions,
    conversion_value
from performance
