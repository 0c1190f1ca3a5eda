{#- Sums per level, account, day and currency are the same in the raw tables, in staging and in the facts. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_campaign_performance'}}}) }}

{% set levels = ['campaign', 'ad_group', 'ad'] %}
with figures as (
    {%- for level in levels %}
    select
        'raw' as layer,
        '{{ level }}' as entity_level,
        customer_id as account_id,
        date as date_day,
        coalesce(currency_code, 'XXX') as currency,
        impressions,
        clicks,
        cost_micros * 0.000001 as spend,
        conversions::numeric(18, 6) as conversions,
        conversions_value::numeric(18, 6) as conversion_value
    from {{ source('google_ads', level ~ '_performance') }}
    union all
    select
        'staging' as layer,
        '{{ level }}' as entity_level,
        account_id,
        date_day,
        coalesce(currency, 'XXX') as currency,
        impressions,
        clicks,
        spend,
        conversions,
        conversion_value
    from {{ ref('stg_google_ads__' ~ level ~ '_performance') }}
    union all
    {%- endfor %}
    select
        'facts' as layer,
        entity_level,
        account_id,
        date_day,
        currency,
        impressions,
        clicks,
        spend,
        conversions,
        conversion_value
    from {{ ref('fct_ad_performance_daily') }}
    where platform = 'google_ads' and entity_id not like 'unallocated:%'
    union all
    select
        'campaign facts' as layer,
        'campaign' as entity_level,
        account_id,
        date_day,
        currency,
        impressions,
        clicks,
        spend,
        conversions,
        conversion_value
    from {{ ref('fct_campaign_performance') }}
    where platform = 'google_ads'
),

sums as (
    select
        layer,
        entity_level,
        account_id,
        date_day,
        currency,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(spend) as spend,
        sum(conversions) as conversions,
        sum(conversion_value) as conversion_value
    from figures
    where {{ in_build_windows('date_day') }}
    group by layer, entity_level, account_id, date_day, currency
)

select
    entity_level,
    account_id,
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
            and touched.connector = 'google_ads'
            and touched.account_id = sums.account_id
            and touched.day = sums.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
group by entity_level, account_id, date_day, currency
having
    count(*) <> case entity_level when 'campaign' then 4 else 3 end
    {%- for measure in ['impressions', 'clicks', 'spend', 'conversions', 'conversion_value'] %}
    or min({{ measure }}) <> max({{ measure }})
    {%- endfor %}
