with source as (
    select * from {{ source('hubspot', 'owners') }}
)

select
    _account_id as account_id,
    id as owner_id,
    email,
    first_name,
    last_name,
    nullif(concat_ws(' ', first_name, last_name), '') as owner_name,
    type as owner_type,
    coalesce(user_id, user_id_including_inactive) as user_id,
    teams,
    created_at,
    updated_at,
    archived as is_archived,
    archived or _deleted_at is not null as is_deleted,
    _synced_at as synced_at
from source
