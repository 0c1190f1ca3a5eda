with source as (
    select * from {{ source('meta_ads', 'creatives') }}
)

select
    _account_id as account_id,
    id as creative_id,
    name as creative_name,
    status,
    title,
    body,
    object_type,
    object_story_id,
    call_to_action_type,
    thumbnail_url,
    url_tags,
    _deleted_at is not null as is_deleted,
    _synced_at as synced_at
from source
