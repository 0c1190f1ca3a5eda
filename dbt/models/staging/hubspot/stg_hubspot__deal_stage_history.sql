with source as (
    select * from {{ source('hubspot', 'deal_stage_history') }}
)

select
    _account_id as account_id,
    deal_id,
    stage_id,
    entered_at,
    lead(entered_at) over (partition by _account_id, deal_id order by entered_at, stage_id) as left_at,
    source_type,
    source_id,
    source_label,
    updated_by_user_id,
    _synced_at as synced_at
from source
