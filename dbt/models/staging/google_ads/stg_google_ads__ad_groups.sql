with source as (
    select * from {{ source('google_ads', 'ad_groups') }}
),

accounts as (
    select * from {{ ref('stg_google_ads__customers') }}
)

select
    source._account_id as account_id,
    source.campaign_id,
    source.id as ad_group_id,
    source.name as ad_group_name,
    {{ google_ads_status('source.status') }} as status,
    source.type as ad_group_type,
    accounts.currency,
    {{ micros_to_major('source.cpc_bid_micros') }} as bid_amount,
    {{ google_ads_is_deleted('source') }} as is_deleted,
    source._synced_at as synced_at
from source
left join accounts on source._account_id = accounts.account_id
