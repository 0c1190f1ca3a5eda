with source as (
    select * from {{ source('linkedin_ads', 'ad_accounts') }}
)

select
    id as account_id,
    name as account_name,
    currency,
    'UTC' as report_time_zone,
    lower(status) as account_status,
    lower(type) as account_type,
    reference as advertiser_urn,
    is_test,
    serving_statuses,
    created_at,
    last_modified_at as updated_at,
    _deleted_at is not null or coalesce(status = 'REMOVED', false) as is_deleted,
    _synced_at as synced_at
from source
