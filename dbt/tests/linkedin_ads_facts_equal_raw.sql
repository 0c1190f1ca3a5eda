{#- Sums per level, account, campaign, day and currency are the same in the raw tables, in staging and in the facts. The
    campaign level has no report of its own: here it is the sum of LinkedIn's campaigns by their campaign group. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_campaign_performance'}}}) }}

{% set measures = ['impressions', 'clicks', 'clicks_all', 'spend', 'conversions', 'conversion_value'] %}
{% set levels = [('campaign', 'campaign'), ('ad_group', 'campaign'), ('ad', 'creative')] %}
with figures as (
    {%- for level, report in levels %}
    select
        'raw' as layer,
        '{{ level }}' as entity_level,
        report._account_id as account_id,
        coalesce(campaigns.campaign_group_id, 'unknown') as campaign_id,
        report.date as date_day,
        coalesce(accounts.currency, 'XXX') as currency,
        report.impressions,
        report.landing_page_clicks as clicks,
        report.clicks as clicks_all,
        report.cost_in_local_currency::numeric(18, 6) as spend,
        report.external_website_conversions as conversions,
        report.conversion_value_in_local_currency::numeric(18, 6) as conversion_value
    from {{ source('linkedin_ads', 'analytics_' ~ report) }} as report
    left join {{ source('linkedin_ads', 'campaigns') }} as campaigns
        on report._account_id = campaigns._account_id and report.campaign_id = campaigns.id
    left join {{ source('linkedin_ads', 'ad_accounts') }} as accounts on report._account_id = accounts.id
    union all
    select
        'staging' as layer,
        '{{ level }}' as entity_level,
        account_id,
        campaign_id,
        date_day,
        coalesce(currency, 'XXX') as currency,
        impressions,
        link_clicks as clicks,
        clicks_all,
        spend,
        conversions,
        conversion_value
    from {{ ref('stg_linkedin_ads__analytics_' ~ report) }}
    union all
    {%- endfor %}
    select
        'facts' as layer,
        entity_level,
        account_id,
        campaign_id,
        date_day,
        currency,
        impressions,
        clicks,
        clicks_all,
        spend,
        conversions,
        conversion_value
    from {{ ref('fct_ad_performance_daily') }}
    where platform = 'linkedin_ads' and entity_id not like 'unallocated:%'
    union all
    select
        'campaign facts' as layer,
        'campaign' as entity_level,
        account_id,
        campaign_id,
        date_day,
        currency,
        impressions,
        clicks,
        clicks_all,
        spend,
        conversions,
        conversion_value
    from {{ ref('fct_campaign_performance') }}
    where platform = 'linkedin_ads'
),

sums as (
    select
        {%- for measure in measures %}
        sum({{ measure }}) as {{ measure }},
        {%- endfor %}
        layer,
        entity_level,
        account_id,
        campaign_id,
        date_day,
        currency
    from figures
    where {{ in_build_windows('date_day') }}
    group by layer, entity_level, account_id, campaign_id, date_day, currency
)

select
    entity_level,
    account_id,
    campaign_id,
    date_day,
    currency,
    json_object_agg(layer, row_to_json(sums)) as sums_by_layer
from sums
-- What landed after this run had begun is carried by the next one.
where
    not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.connector = 'linkedin_ads'
            and touched.account_id = sums.account_id
            and touched.day = sums.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
group by entity_level, account_id, campaign_id, date_day, currency
having
    count(*) <> case entity_level when 'campaign' then 4 else 3 end
    {%- for measure in measures %}
    or min({{ measure }}) <> max({{ measure }})
    {%- endfor %}
