{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
) }}

with listed as (
    select * from {{ ref('int_ad_campaigns') }}
),

reported as (
    select * from {{ ref('int_ad_campaigns_reported') }}
),

-- Deleted before they were first listed: only the reports know that they were there.
unlisted as (
    select distinct on (reported.platform, reported.account_id, reported.campaign_id)
        reported.platform,
        reported.account_id,
        reported.campaign_id,
        reported.campaign_name,
        reported.currency
    from reported
    left join listed
        on
            reported.platform = listed.platform
            and reported.account_id = listed.account_id
            and reported.campaign_id = listed.campaign_id
    where listed.campaign_id is null
    order by reported.platform asc, reported.account_id asc, reported.campaign_id asc, reported.date_day desc
)

select
    platform,
    account_id,
    campaign_id,
    campaign_name,
    objective,
    status,
    effective_status,
    currency,
    daily_budget,
    lifetime_budget,
    starts_at,
    stops_at,
    created_at,
    updated_at,
    is_deleted
from listed
union all
select
    platform,
    account_id,
    campaign_id,
    campaign_name,
    null as objective,
    null as status,
    null as effective_status,
    currency,
    null as daily_budget,
    null as lifetime_budget,
    null as starts_at,
    null as stops_at,
    null as created_at,
    null as updated_at,
    null as is_deleted
from unlisted
