with source as (
    select * from {{ source('meta_ads', 'campaigns') }}
),

accounts as (
    select * from {{ ref('stg_meta_ads__ad_accounts') }}
)

select
    source._account_id as account_id,
    source.id as campaign_id,
    source.name as campaign_name,
    source.objective,
    source.status,
    source.effective_status,
    source.buying_type,
    source.bid_strategy,
    accounts.currency,
    {{ minor_to_major('source.daily_budget', 'accounts.currency_exponent') }} as daily_budget,
    {{ minor_to_major('source.lifetime_budget', 'accounts.currency_exponent') }} as lifetime_budget,
    {{ minor_to_major('source.spend_cap', 'accounts.currency_exponent') }} as spend_cap,
    source.special_ad_categories,
    source.start_time as starts_at,
    source.stop_time as stops_at,
    source.created_time as created_at,
    source.updated_time as updated_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join accounts on source._account_id = accounts.account_id
