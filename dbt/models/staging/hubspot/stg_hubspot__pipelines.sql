with source as (
    select * from {{ source('hubspot', 'pipelines') }}
)

select
    _account_id as account_id,
    id as pipeline_id,
    label as pipeline_name,
    display_order,
    created_at,
    updated_at,
    archived or _deleted_at is not null as is_deleted,
    _synced_at as synced_at
from source
