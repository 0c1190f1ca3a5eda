{% set columns = [
    'platform', 'account_id', 'campaign_id', 'date_day', 'currency', 'report_time_zone', 'impressions', 'clicks',
    'clicks_all', 'spend', 'conversions', 'conversion_value', 'ctr', 'cpc', 'cpm', 'cpa', 'conversion_rate', 'roas', 'roi',
    'home_currency', 'spend_home', 'conversion_value_home',
] %}
-- A view, so that it is as new as what it reads: a day becomes settled without any of its figures changing.
with performance as (
    select * from {{ ref('fct_campaign_performance') }}
),

coverage as (
    select * from {{ ref('coverage') }}
    -- The streams that bring the reports of campaigns.
    where (platform, stream) in (
        ('google_ads', 'campaign_performance'),
        ('meta_ads', 'insights_campaign'),
        ('linkedin_ads', 'analytics_campaign')
    )
),

campaigns as (
    select * from {{ ref('dim_campaign') }}
),

history as (
    select * from {{ ref('dim_campaign_history') }}
)

select
    {%- for column in columns %}
    performance.{{ column }},
    {%- endfor %}
    campaigns.campaign_name as campaign_name_as_is,
    campaigns.status as status_as_is,
    history.campaign_name as campaign_name_as_was,
    history.status as status_as_was,
    history.campaign_version_id,
    coalesce(
        performance.date_day >= coalesce(coverage.complete_from, date '-infinity')
        and performance.date_day <= coverage.complete_through,
        false
    ) as is_complete,
    coalesce(
        performance.date_day >= coalesce(coverage.complete_from, date '-infinity')
        and performance.date_day <= coverage.settled_through,
        false
    ) as is_settled
from performance
left join coverage
    on performance.platform = coverage.platform and performance.account_id = coverage.account_id
left join campaigns
    on
        performance.platform = campaigns.platform
        and performance.account_id = campaigns.account_id
        and performance.campaign_id = campaigns.campaign_id
-- Days against days, both in the account's time zone: of several versions of a day, that in which the day ended.
left join history
    on
        performance.platform = history.platform
        and performance.account_id = history.account_id
        and performance.campaign_id = history.campaign_id
        and performance.date_day < history.valid_to_day
        and (performance.date_day >= history.valid_from_day or history.version_number = 1)
