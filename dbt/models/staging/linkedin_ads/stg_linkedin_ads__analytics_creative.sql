with source as (
    select * from {{ source('linkedin_ads', 'analytics_creative') }}
),

accounts as (
    select * from {{ ref('stg_linkedin_ads__ad_accounts') }}
),

ad_groups as (
    select * from {{ ref('stg_linkedin_ads__campaigns') }}
)

select
    source._account_id as account_id,
    -- Reports name campaigns that no listing shows; their figures belong to the account all the same.
    coalesce(ad_groups.campaign_id, 'unknown') as campaign_id,
    source.campaign_id as ad_group_id,
    source.creative_id as ad_id,
    ad_groups.linkedin_campaign_group_id,
    source.campaign_id as linkedin_campaign_id,
    source.creative_id as linkedin_creative_id,
    source.date as date_day,
    accounts.currency,
    'UTC' as report_time_zone,
    source.impressions,
    source.landing_page_clicks as link_clicks,
    source.clicks as clicks_all,
    source.cost_in_local_currency::numeric(18, 6) as spend,
    source.cost_in_usd::numeric(18, 6) as spend_usd,
    source.external_website_conversions as conversions,
    source.external_website_post_click_conversions as post_click_conversions,
    source.external_website_post_view_conversions as post_view_conversions,
    source.conversion_value_in_local_currency::numeric(18, 6) as conversion_value,
    source.one_click_leads as leads,
    source.one_click_lead_form_opens as lead_form_opens,
    source.video_views,
    source.video_completions,
    source.total_engagements as engagements,
    source._synced_at as synced_at
from source
left join accounts on source._account_id = accounts.account_id
left join ad_groups
    on source._account_id = ad_groups.account_id and source.campaign_id = ad_groups.ad_group_id
