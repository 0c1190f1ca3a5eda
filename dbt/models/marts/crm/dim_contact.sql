{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
    meta={'touched_days': 'days_of_contacts'},
) }}

select
    account_id,
    contact_id,
    created_at,
    first_touch_day,
    channel,
    utm_campaign,
    ad_account_id,
    campaign_id,
    lifecycle_stage,
    owner_id,
    is_deleted,
    mql_day
from {{ ref('int_contact_first_touch') }}
