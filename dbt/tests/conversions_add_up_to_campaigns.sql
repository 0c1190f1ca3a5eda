{#- What is counted of an event is what the campaign facts have as conversions, where these are one event: at Meta. At
    LinkedIn they are its website conversions. Google's are of several events and of actions nobody has mapped, and are
    read by another report: they are compared with that, in conversions_equal_raw. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_conversions_daily'}}}) }}

with counted as (
    select
        platform,
        account_id,
        campaign_id,
        date_day,
        currency,
        sum(conversions) as conversions,
        sum(conversion_value) as conversion_value
    from {{ ref('fct_conversions_daily') }}
    where
        (
            (platform = 'meta_ads' and is_counted and counts_as = '{{ var("meta_ads_conversion") }}')
            or (
                platform = 'linkedin_ads'
                and action = 'external_website_conversions'
                and attribution_window = 'default'
            )
        )
        and {{ in_build_windows('date_day') }}
    group by platform, account_id, campaign_id, date_day, currency
),

campaigns as (
    select * from {{ ref('fct_campaign_performance') }}
    where platform in ('meta_ads', 'linkedin_ads') and {{ in_build_windows('date_day') }}
)

select
    coalesce(campaigns.platform, counted.platform) as platform,
    coalesce(campaigns.account_id, counted.account_id) as account_id,
    coalesce(campaigns.campaign_id, counted.campaign_id) as campaign_id,
    coalesce(campaigns.date_day, counted.date_day) as date_day,
    counted.conversions as counted_conversions,
    campaigns.conversions,
    counted.conversion_value as counted_value,
    campaigns.conversion_value
from counted
full join campaigns
    on
        counted.platform = campaigns.platform
        and counted.account_id = campaigns.account_id
        and counted.campaign_id = campaigns.campaign_id
        and counted.date_day = campaigns.date_day
        and counted.currency = campaigns.currency
where
    (
        coalesce(counted.conversions, 0) <> coalesce(campaigns.conversions, 0)
        or coalesce(counted.conversion_value, 0) <> coalesce(campaigns.conversion_value, 0)
    )
    -- What landed after this run had begun is carried by the next one.
    and not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.connector = coalesce(campaigns.platform, counted.platform)
            and touched.account_id = coalesce(campaigns.account_id, counted.account_id)
            and touched.day = coalesce(campaigns.date_day, counted.date_day)
            and touched.touched_at > '{{ run_started_at }}'
    )
