with source as (
    select * from {{ source('hubspot', 'pipeline_stages') }}
)

select
    _account_id as account_id,
    pipeline_id,
    id as stage_id,
    label as stage_name,
    display_order,
    probability as win_probability,
    coalesce(is_closed, false) as is_closed,
    -- HubSpot has no word for it: a closed stage with a chance of 1 is a won one.
    coalesce(is_closed and probability = 1, false) as is_won,
    created_at,
    updated_at,
    archived or _deleted_at is not null as is_deleted,
    _synced_at as synced_at
from source
