with source as (
    select * from {{ source('linkedin_ads', 'campaign_groups') }}
),

accounts as (
    select * from {{ ref('stg_linkedin_ads__ad_accounts') }}
)

select
    source._account_id as account_id,
    source.id as campaign_id,
    source.name as campaign_name,
    source.id as linkedin_campaign_group_id,
    source.status,
    source.serving_statuses,
    coalesce(source.total_budget_currency, accounts.currency) as currency,
    source.total_budget::numeric(18, 6) as lifetime_budget,
    source.allowed_campaign_types,
    source.is_backfilled as is_default,
    source.is_test,
    source.start_at as starts_at,
    source.end_at as stops_at,
    source.created_at,
    source.last_modified_at as updated_at,
    source._deleted_at is not null or coalesce(source.status = 'REMOVED', false) as is_deleted,
    source._synced_at as synced_at
from source
left join accounts on source._account_id = accounts.account_id
