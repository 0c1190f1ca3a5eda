-- Meta writes each number as text under the name of its window, and leaves out what is zero.
{% set entry %}
    entry (
        action_type text, value numeric, "1d_click" numeric, "7d_click" numeric, "28d_click" numeric, "1d_view" numeric
    )
{% endset %}

with reports as (
    select
        'campaign' as entity_level,
        account_id,
        campaign_id as entity_id,
        date_day,
        currency,
        report_time_zone,
        actions,
        action_values
    from {{ ref('stg_meta_ads__insights_campaign') }}
    union all
    select
        'ad_group' as entity_level,
        account_id,
        ad_group_id as entity_id,
        date_day,
        currency,
        report_time_zone,
        actions,
        action_values
    from {{ ref('stg_meta_ads__insights_ad_set') }}
    union all
    select
        'ad' as entity_level,
        account_id,
        ad_id as entity_id,
        date_day,
        currency,
        report_time_zone,
        actions,
        action_values
    from {{ ref('stg_meta_ads__insights_ad') }}
)

select
    reports.entity_level,
    reports.account_id,
    reports.entity_id,
    reports.date_day,
    reports.currency,
    listed.action_type,
    listed.action_count,
    listed.action_count_1d_click,
    listed.action_count_7d_click,
    listed.action_count_28d_click,
    listed.action_count_1d_view,
    listed.action_value,
    listed.action_value_1d_click,
    listed.action_value_7d_click,
    listed.action_value_28d_click,
    listed.action_value_1d_view,
    reports.report_time_zone
from reports
-- Row by row, so that a filter on the day reaches the raw table before any list is opened: no CTE could do that.
cross join lateral ( -- noqa: ST05
    with entries as (
        select
            true as is_count,
            entry.*
        from jsonb_to_recordset(nullif(reports.actions, 'null')) as {{ entry }}
        union all
        select
            false as is_count,
            entry.*
        from jsonb_to_recordset(nullif(reports.action_values, 'null')) as {{ entry }}
    )

    select
        action_type,
        sum(value) filter (where is_count) as action_count,
        sum("1d_click") filter (where is_count) as action_count_1d_click,
        sum("7d_click") filter (where is_count) as action_count_7d_click,
        sum("28d_click") filter (where is_count) as action_count_28d_click,
        sum("1d_view") filter (where is_count) as action_count_1d_view,
        sum(value) filter (where not is_count) as action_value,
        sum("1d_click") filter (where not is_count) as action_value_1d_click,
        sum("7d_click") filter (where not is_count) as action_value_7d_click,
        sum("28d_click") filter (where not is_count) as action_value_28d_click,
        sum("1d_view") filter (where not is_count) as action_value_1d_view
    from entries
    group by action_type
) as listed
