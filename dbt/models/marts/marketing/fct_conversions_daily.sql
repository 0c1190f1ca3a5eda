{{ config(
    materialized='incremental',
    incremental_strategy='replace_range',
    on_schema_change='fail',
    full_refresh=false,
) }}

with conversions as (
    select *
    from {{ ref('int_ad_conversions_daily') }}
    where {{ in_build_windows('date_day') }}
)

select
    conversions.platform,
    conversions.account_id,
    conversions.campaign_id,
    conversions.action,
    conversions.attribution_window,
    conversions.counts_as,
    conversions.is_counted,
    conversions.date_day,
    conversions.currency,
    conversions.report_time_zone,
    conversions.conversions,
    conversions.conversion_value,
    '{{ var("home_currency") }}' as home_currency,
    {{ in_home_currency('conversions.conversion_value') }} as conversion_value_home
from conversions
{{ join_fx('conversions') }}
