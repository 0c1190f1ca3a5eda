-- One row per pair: HubSpot tells a pair once for each kind of link it has.
with source as (
    select * from {{ source('hubspot', 'deal_companies') }}
)

select
    _account_id as account_id,
    deal_id,
    company_id,
    coalesce(
        bool_or(category = 'HUBSPOT_DEFINED' and association_type_id = '5') filter (where _deleted_at is null),
        false
    ) as is_primary,
    jsonb_agg(distinct label) filter (where label is not null and _deleted_at is null) as labels,
    bool_and(_deleted_at is not null) as is_deleted,
    max(_synced_at) as synced_at
from source
group by _account_id, deal_id, company_id
