{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
) }}

select
    platform,
    account_id,
    account_name,
    currency,
    report_time_zone,
    account_status,
    created_at,
    is_deleted
from {{ ref('int_ad_accounts') }}
