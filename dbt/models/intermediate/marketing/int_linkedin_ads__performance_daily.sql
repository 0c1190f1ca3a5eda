-- LinkedIn reports no campaign groups together with campaigns: the campaign level is the sum of what is below it.
with ad_groups as (
    {{ performance_level(
        'linkedin_ads', 'ad_group', ref('stg_linkedin_ads__analytics_campaign'), 'link_clicks', 'clicks_all'
    ) }}
),

ads as (
    {{ performance_level(
        'linkedin_ads', 'ad', ref('stg_linkedin_ads__analytics_creative'), 'link_clicks', 'clicks_all'
    ) }}
),

campaigns as (
    select
        platform,
        'campaign' as entity_level,
        account_id,
        campaign_id as entity_id,
        date_day,
        campaign_id,
        null as ad_group_id,
        null as ad_id,
        currency,
        max(report_time_zone) as report_time_zone,
        sum(impressions)::bigint as impressions,
        sum(clicks)::bigint as clicks,
        sum(clicks_all)::bigint as clicks_all,
        sum(spend)::numeric(18, 6) as spend,
        sum(conversions)::numeric(18, 6) as conversions,
        sum(conversion_value)::numeric(18, 6) as conversion_value
    from ad_groups
    group by platform, account_id, campaign_id, date_day, currency
)

select * from campaigns
union all
select * from ad_groups
union all
select * from ads
