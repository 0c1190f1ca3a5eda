with source as (
    select * from {{ source('google_ads', 'customers') }}
)

select
    _account_id as account_id,
    descriptive_name as account_name,
    currency_code as currency,
    time_zone as report_time_zone,
    case status
        when 'ENABLED' then 'active'
        when 'CANCELED' then 'canceled'
        when 'SUSPENDED' then 'suspended'
        when 'CLOSED' then 'closed'
        else 'other'
    end as account_status,
    manager as is_manager,
    test_account as is_test,
    auto_tagging_enabled as has_auto_tagging,
    _deleted_at is not null as is_deleted,
    _synced_at as synced_at
from source
