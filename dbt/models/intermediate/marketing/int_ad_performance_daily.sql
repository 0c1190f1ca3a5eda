-- All platforms, one below the other. A filter on the day passes through to each platform's raw tables.
{% for platform in ['google_ads', 'meta_ads', 'linkedin_ads'] %}
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
from {{ ref('int_' ~ platform ~ '__performance_daily') }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
