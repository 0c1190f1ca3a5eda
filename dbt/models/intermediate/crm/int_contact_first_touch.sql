-- Which channel brought a contact: the platform whose click id it carries, else what HubSpot makes of the first visit.
with contacts as (
    select * from {{ ref('stg_hubspot__contacts') }}
),

touched as (
    select
        account_id,
        contact_id,
        lower(trim(email)) as email,
        created_at,
        (created_at at time zone 'UTC')::date as first_touch_day,
        case
            when google_click_id is not null then 'google_ads'
            -- Facebook puts its id on every link that leaves it, paid for or not.
            when facebook_click_id is not null and coalesce(original_source, '') <> 'SOCIAL_MEDIA' then 'meta_ads'
            when linkedin_click_id is not null then 'linkedin_ads'
            when original_source in (
                'ORGANIC_SEARCH', 'SOCIAL_MEDIA', 'REFERRALS', 'EMAIL_MARKETING', 'AI_REFERRALS'
            ) then 'organic'
            when original_source in ('PAID_SEARCH', 'PAID_SOCIAL', 'OTHER_CAMPAIGNS') then 'other_paid'
            when original_source = 'DIRECT_TRAFFIC' then 'direct'
            else 'unknown'
        end as channel,
        utm_campaign,
        lifecycle_stage,
        (became_mql_at at time zone 'UTC')::date as mql_day,
        owner_id,
        is_deleted
    from contacts
),

-- What utm_campaign may name. LinkedIn's links name what LinkedIn calls a campaign, which is an ad group here.
named as (
    select
        platform,
        account_id,
        campaign_id,
        campaign_id as named_id
    from {{ ref('int_ad_campaigns') }}
    where platform <> 'linkedin_ads'
    union all
    select
        'linkedin_ads' as platform,
        account_id,
        campaign_id,
        ad_group_id as named_id
    from {{ ref('stg_linkedin_ads__campaigns') }}
),

-- The platforms' ids are unique; should one not be, a contact still has one campaign.
campaigns as (
    select distinct on (platform, named_id)
        platform,
        named_id,
        account_id,
        campaign_id
    from named
    order by platform, named_id, account_id
)

select
    touched.account_id,
    touched.contact_id,
    touched.email,
    touched.created_at,
    touched.first_touch_day,
    touched.channel,
    touched.utm_campaign,
    campaigns.account_id as ad_account_id,
    campaigns.campaign_id,
    touched.lifecycle_stage,
    touched.mql_day,
    touched.owner_id,
    touched.is_deleted
from touched
left join campaigns on touched.channel = campaigns.platform and touched.utm_campaign = campaigns.named_id
