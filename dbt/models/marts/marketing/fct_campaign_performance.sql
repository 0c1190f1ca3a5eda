{{ config(
    materialized='incremental',
    incremental_strategy='replace_range',
    on_schema_change='fail',
    full_refresh=false,
) }}

select
    platform,
    account_id,
    campaign_id,
    date_day,
    currency,
    report_time_zone,
    impressions,
    clicks,
    clicks_all,
    spend,
    conversions,
    conversion_value,
    {{ ctr('clicks', 'impressions') }} as ctr,
    {{ cpc('spend', 'clicks') }} as cpc,
    {{ cpm('spend', 'impressions') }} as cpm,
    {{ cpa('spend', 'conversions') }} as cpa,
    {{ conversion_rate('conversions', 'clicks') }} as conversion_rate,
    {{ roas('conversion_value', 'spend') }} as roas,
    {{ roi('conversion_value', 'spend') }} as roi,
    home_currency,
    spend_home,
    conversion_value_home
from {{ ref('fct_ad_performance_daily') }}
where entity_level = 'campaign' and {{ in_build_windows('date_day') }}
