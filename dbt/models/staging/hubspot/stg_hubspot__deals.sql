with source as (
    select * from {{ source('hubspot', 'deals') }}
),

merged as (
    {{ hubspot_merged('source') }}
)

select
    source._account_id as account_id,
    source.id as deal_id,
    source.dealname as deal_name,
    source.pipeline as pipeline_id,
    source.dealstage as stage_id,
    source.dealtype as deal_type,
    source.deal_currency_code as currency,
    source.amount,
    source.amount_in_home_currency,
    source.closedate as closes_at,
    source.hs_is_closed as is_closed,
    source.hs_is_closed_won as is_won,
    source.hubspot_owner_id as owner_id,
    merged.survivor_id as merged_into_deal_id,
    coalesce(source.createdate, source.created_at) as created_at,
    source.updated_at,
    source.archived_at,
    source.archived as is_archived,
    source.archived or source._deleted_at is not null or merged.survivor_id is not null as is_deleted,
    source._synced_at as synced_at
from source
left join merged on source._account_id = merged._account_id and source.id = merged.id
