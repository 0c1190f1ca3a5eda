with source as (
    select * from {{ source('meta_ads', 'ads') }}
)

select
    _account_id as account_id,
    campaign_id,
    adset_id as ad_group_id,
    id as ad_id,
    name as ad_name,
    creative_id,
    status,
    effective_status,
    tracking_specs,
    created_time as created_at,
    updated_time as updated_at,
    _deleted_at is not null as is_deleted,
    _synced_at as synced_at
from source
