{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
) }}

with read_versions as (
    select * from {{ ref('campaign_versions') }}
    -- One that was replaced at the instant it began was a mistake, and never in force.
    where dbt_valid_to is null or dbt_valid_from < dbt_valid_to
),

reported as (
    select * from {{ ref('int_ad_campaigns_reported') }}
),

accounts as (
    select * from {{ ref('int_ad_accounts') }}
),

first_reports as (
    select
        reported.platform,
        reported.account_id,
        reported.campaign_id,
        min(reported.date_day)::timestamp at time zone coalesce(max(accounts.report_time_zone), 'UTC')
            as first_reported_at
    from reported
    left join accounts on reported.platform = accounts.platform and reported.account_id = accounts.account_id
    group by reported.platform, reported.account_id, reported.campaign_id
),

-- Those that only reports have named have one version.
unlisted as (
    select campaigns.*
    from {{ ref('dim_campaign') }} as campaigns
    left join read_versions
        on
            campaigns.platform = read_versions.platform
            and campaigns.account_id = read_versions.account_id
            and campaigns.campaign_id = read_versions.campaign_id
    where read_versions.campaign_id is null
),

{% set described = [
    'platform', 'account_id', 'campaign_id', 'campaign_name', 'objective', 'status', 'effective_status', 'currency',
    'daily_budget', 'lifetime_budget', 'starts_at', 'stops_at', 'created_at', 'is_deleted',
] %}
versions as (
    select
        {{ described | join(',\n        ') }},
        dbt_scd_id as campaign_version_id,
        dbt_valid_from as read_at
    from read_versions
    union all
    select
        {{ described | join(',\n        ') }},
        md5(platform || '|' || account_id || '|' || campaign_id) as campaign_version_id,
        null as read_at
    from unlisted
),

numbered as (
    select
        versions.*,
        coalesce(accounts.report_time_zone, 'UTC') as zone,
        first_reports.first_reported_at,
        row_number() over (
            partition by versions.platform, versions.account_id, versions.campaign_id order by versions.read_at
        ) as version_number
    from versions
    left join accounts on versions.platform = accounts.platform and versions.account_id = accounts.account_id
    left join first_reports
        on
            versions.platform = first_reports.platform
            and versions.account_id = first_reports.account_id
            and versions.campaign_id = first_reports.campaign_id
),

-- The first version was in force before anybody read it, from the campaign's beginning on, as far as that is known.
begun as (
    select
        *,
        case
            when version_number > 1 then read_at
            when coalesce(created_at, starts_at, first_reported_at) is null
                then timestamp '1970-01-01' at time zone zone
            else least(read_at, created_at, starts_at, first_reported_at)
        end as valid_from
    from numbered
),

ended as (
    select
        *,
        lead(valid_from) over (
            partition by platform, account_id, campaign_id order by version_number
        ) as replaced_at
    from begun
)

select
    campaign_version_id,
    platform,
    account_id,
    campaign_id,
    version_number::integer as version_number,
    campaign_name,
    objective,
    status,
    effective_status,
    currency,
    daily_budget,
    lifetime_budget,
    starts_at,
    stops_at,
    is_deleted,
    valid_from,
    coalesce(replaced_at, timestamptz '9999-12-31 00:00Z') as valid_to,
    (valid_from at time zone zone)::date as valid_from_day,
    coalesce((replaced_at at time zone zone)::date, date '9999-12-31') as valid_to_day,
    replaced_at is null as is_current
from ended
