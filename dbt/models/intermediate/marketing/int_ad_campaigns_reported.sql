-- Campaigns as reports name them, day by day. LinkedIn's reports name none.
select
    'google_ads' as platform,
    account_id,
    campaign_id,
    campaign_name,
    currency,
    date_day
from {{ ref('stg_google_ads__campaign_performance') }}
union all
select
    'meta_ads' as platform,
    account_id,
    campaign_id,
    campaign_name,
    currency,
    date_day
from {{ ref('stg_meta_ads__insights_campaign') }}
union all
select
    'linkedin_ads' as platform,
    account_id,
    campaign_id,
    null as campaign_name,
    currency,
    date_day
from {{ ref('stg_linkedin_ads__analytics_campaign') }}
