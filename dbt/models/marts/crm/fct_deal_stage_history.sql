{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
) }}

with entries as (
    select * from {{ ref('stg_hubspot__deal_stage_history') }}
),

deals as (
    select * from {{ ref('fct_deals') }}
),

stages as (
    select * from {{ ref('stg_hubspot__pipeline_stages') }}
)

select
    entries.account_id,
    entries.deal_id,
    entries.entered_at,
    entries.stage_id,
    stages.pipeline_id,
    stages.stage_name,
    stages.is_closed,
    stages.is_won,
    entries.left_at,
    extract(epoch from entries.left_at - entries.entered_at)::numeric(18, 3) as seconds_in_stage,
    entries.source_type
from entries
inner join deals on entries.account_id = deals.account_id and entries.deal_id = deals.deal_id
-- History does not say in which pipeline a stage was: the one the deal is in now, unless that has no such stage.
left join lateral (
    select
        found.pipeline_id,
        found.stage_name,
        found.is_closed,
        found.is_won
    from stages as found
    where found.account_id = entries.account_id and found.stage_id = entries.stage_id
    order by (found.pipeline_id = deals.pipeline_id) desc, found.pipeline_id
    limit 1
) as stages on true
