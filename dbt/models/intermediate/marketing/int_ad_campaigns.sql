-- Campaigns that the platforms list, with what they say of them in common. LinkedIn's campaign groups are its campaigns.
select
    'google_ads' as platform,
    account_id,
    campaign_id,
    campaign_name,
    channel_type as objective,
    status,
    effective_status,
    currency,
    daily_budget,
    null::numeric(18, 6) as lifetime_budget,
    starts_at,
    stops_at,
    null::timestamptz as created_at,
    null::timestamptz as updated_at,
    is_deleted,
    synced_at
from {{ ref('stg_google_ads__campaigns') }}
union all
select
    'meta_ads' as platform,
    account_id,
    campaign_id,
    campaign_name,
    objective,
    status,
    effective_status,
    currency,
    daily_budget,
    lifetime_budget,
    starts_at,
    stops_at,
    created_at,
    updated_at,
    is_deleted,
    synced_at
from {{ ref('stg_meta_ads__campaigns') }}
union all
select
    'linkedin_ads' as platform,
    account_id,
    campaign_id,
    campaign_name,
    null as objective,
    status,
    null as effective_status,
    currency,
    null as daily_budget,
    lifetime_budget,
    starts_at,
    stops_at,
    created_at,
    updated_at,
    is_deleted,
    synced_at
from {{ ref('stg_linkedin_ads__campaign_groups') }}
