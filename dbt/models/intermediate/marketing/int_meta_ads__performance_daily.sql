-- Delivery and conversions of all levels, whichever of the two there is: a full join, written as a grouping because a
-- filter on the day passes through a grouping down to the raw tables and not through a full join.
with parts as (
    {% for level, reports, ad_group_id, ad_id in [
        ('campaign', 'stg_meta_ads__insights_campaign', 'null', 'null'),
        ('ad_group', 'stg_meta_ads__insights_ad_set', 'ad_group_id', 'null'),
        ('ad', 'stg_meta_ads__insights_ad', 'ad_group_id', 'ad_id'),
    ] %}
    select
        '{{ level }}' as entity_level,
        account_id,
        {{ level }}_id as entity_id,
        date_day,
        campaign_id,
        {{ ad_group_id }} as ad_group_id,
        {{ ad_id }} as ad_id,
        currency,
        report_time_zone,
        impressions,
        link_clicks,
        clicks_all,
        spend,
        null::numeric as conversions,
        null::numeric as conversion_value
    from {{ ref(reports) }}
    union all
    {% endfor %}
    select
        entity_level,
        account_id,
        entity_id,
        date_day,
        null as campaign_id,
        null as ad_group_id,
        null as ad_id,
        null as currency,
        null as report_time_zone,
        null as impressions,
        null as link_clicks,
        null as clicks_all,
        null as spend,
        conversions,
        conversion_value
    from {{ ref('int_meta_ads__conversions') }}
)

select
    'meta_ads' as platform,
    entity_level,
    account_id,
    entity_id,
    date_day,
    max(campaign_id) as campaign_id,
    max(ad_group_id) as ad_group_id,
    max(ad_id) as ad_id,
    max(currency) as currency,
    max(report_time_zone) as report_time_zone,
    coalesce(max(impressions), 0) as impressions,
    coalesce(max(link_clicks), 0) as clicks,
    coalesce(max(clicks_all), 0) as clicks_all,
    coalesce(max(spend), 0)::numeric(18, 6) as spend,
    coalesce(max(conversions), 0)::numeric(18, 6) as conversions,
    coalesce(max(conversion_value), 0)::numeric(18, 6) as conversion_value
from parts
group by entity_level, account_id, entity_id, date_day
