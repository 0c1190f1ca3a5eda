with source as (
    select * from {{ source('hubspot', 'companies') }}
),

merged as (
    {{ hubspot_merged('source') }}
)

select
    source._account_id as account_id,
    source.id as company_id,
    source.name as company_name,
    source.domain,
    source.country,
    source.numberofemployees as number_of_employees,
    source.hubspot_owner_id as owner_id,
    merged.survivor_id as merged_into_company_id,
    coalesce(source.createdate, source.created_at) as created_at,
    source.updated_at,
    source.archived_at,
    source.archived as is_archived,
    source.archived or source._deleted_at is not null or merged.survivor_id is not null as is_deleted,
    source._synced_at as synced_at
from source
left join merged on source._account_id = merged._account_id and source.id = merged.id
