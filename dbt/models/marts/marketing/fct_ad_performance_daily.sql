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
    performance.platform,
    performance.entity_level,
    performance.account_id,
    performance.entity_id,
    performance.date_day,
    performance.campaign_id,
    performance.ad_group_id,
    performance.ad_id,
    performance.currency,
    performance.report_time_zone,
    performance.impressions,
    performance.clicks,
    performance.clicks_all,
    performance.spend,
    performance.conversions,
    performance.conversion_value,
    '{{ var("home_currency") }}' as home_currency,
    {{ in_home_currency('performance.spend') }} as spend_home,
    {{ in_home_currency('performance.conversion_value') }} as conversion_value_home
from performance
{{ join_fx('performance') }}
