{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
    meta={'touched_days': 'days_of_deals'},
) }}

select
    account_id,
    deal_id,
    deal_name,
    deal_type,
    pipeline_id,
    pipeline_name,
    stage_id,
    stage_name,
    owner_id,
    owner_name,
    currency,
    amount,
    '{{ var("home_currency") }}' as home_currency,
    amount_home,
    is_closed,
    is_won,
    created_at,
    created_day,
    closed_day,
    days_to_close,
    contact_id,
    channel,
    ad_account_id,
    campaign_id,
    win_probability::numeric(18, 6) as win_probability
from {{ ref('int_deals') }}
where not is_deleted
