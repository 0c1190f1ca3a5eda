{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
) }}

select
    'meta_ads' as platform,
    account_id,
    account_name,
    currency,
    report_time_zone,
    account_status,
    created_at,
    is_deleted
from {{ ref('stg_meta_ads__ad_accounts') }}
