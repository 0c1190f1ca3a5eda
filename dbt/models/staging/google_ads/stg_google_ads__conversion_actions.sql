with source as (
    select * from {{ source('google_ads', 'conversion_actions') }}
)

select
    source._account_id as account_id,
    source.id as conversion_action_id,
    source.name as conversion_action_name,
    {{ google_ads_status('source.status') }} as status,
    source.type as conversion_action_type,
    source.category as conversion_action_category,
    source.primary_for_goal as is_primary,
    source.counting_type,
    source.click_through_lookback_window_days as click_window_days,
    source.view_through_lookback_window_days as view_window_days,
    {{ google_ads_is_deleted('source') }} as is_deleted,
    source._synced_at as synced_at
from source
