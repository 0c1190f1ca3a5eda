with source as (
    select * from {{ source('stripe', 'events') }}
)

select
    _account_id as account_id,
    id as event_id,
    type as event_type,
    object_type,
    object_id,
    api_version,
    data -> 'object' as object,
    data -> 'previous_attributes' as previous_attributes,
    livemode as is_live,
    created as created_at,
    _synced_at as synced_at
from source
