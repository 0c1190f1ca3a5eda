with source as (
    select * from {{ source('meta_ads', 'ad_sets') }}
),

accounts as (
    select * from {{ ref('stg_meta_ads__ad_accounts') }}
)

select
    source._account_id as account_id,
    source.campaign_id,
    source.id as ad_group_id,
    source.name as ad_group_name,
    source.status,
    source.effective_status,
    source.optimization_goal,
    source.billing_event,
    source.bid_strategy,
    accounts.currency,
    {{ minor_to_major('source.bid_amount', 'accounts.currency_exponent') }} as bid_amount,
    {{ minor_to_major('source.daily_budget', 'accounts.currency_exponent') }} as daily_budget,
    {{ minor_to_major('source.lifetime_budget', 'accounts.currency_exponent') }} as lifetime_budget,
    source.attribution_spec,
    source.promoted_object,
    source.targeting,
    source.start_time as starts_at,
    source.end_time as stops_at,
    source.created_time as created_at,
    source.updated_time as updated_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join accounts on source._account_id = accounts.account_id
