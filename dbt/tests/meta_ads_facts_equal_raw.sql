{#- Sums per level, account, day and currency are the same in the raw tables, in staging and in the facts. Conversions
    are found in the raw lists by another way than the models', so that a slip in one shows. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_campaign_performance'}}}) }}

{% set event_of %}
    coalesce((
        select sum(figures.figure)
        from (
            select
                entry.figure,
                rank() over (order by action_map.priority) as place
            from {{ ref('conversion_action_map') }} as action_map
            inner join lateral (
                select (
                    listed.item ->> case action_map.attribution_window
                        when 'default' then 'value' else action_map.attribution_window
                    end
                )::numeric as figure
                from jsonb_path_query(LIST, '$[*]') as listed (item)
                where listed.item ->> 'action_type' = action_map.action
            ) as entry on entry.figure is not null
            where action_map.platform = 'meta_ads' and action_map.counts_as = '{{ var("meta_ads_conversion") }}'
        ) as figures
        where figures.place = 1
    ), 0)
{% endset %}
{% set levels = [('campaign', 'campaign'), ('ad_group', 'ad_set'), ('ad', 'ad')] %}
with figures as (
    {%- for level, report in levels %}
    select
        'raw' as layer,
        '{{ level }}' as entity_level,
        account_id,
        date_start as date_day,
        account_currency as currency,
        impressions,
        inline_link_clicks as clicks,
        clicks as clicks_all,
        spend::numeric(18, 6) as spend,
        {{ event_of | replace('LIST', 'actions') }} as conversions,
        {{ event_of | replace('LIST', 'action_values') }} as conversion_value
    from {{ source('meta_ads', 'insights_' ~ report) }}
    union all
    select
        'staging' as layer,
        '{{ level }}' as entity_level,
        account_id,
        date_day,
        currency,
        impressions,
        link_clicks as clicks,
        clicks_all,
        spend,
        null as conversions,
        null as conversion_value
    from {{ ref('stg_meta_ads__insights_' ~ report) }}
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
        clicks_all,
        spend,
        conversions,
        conversion_value
    from {{ ref('fct_ad_performance_daily') }}
    where platform = 'meta_ads' and entity_id not like 'unallocated:%'
    union all
    select
        'campaign facts' as layer,
        'campaign' as entity_level,
        account_id,
        date_day,
        currency,
        impressions,
        clicks,
        clicks_all,
        spend,
        conversions,
        conversion_value
    from {{ ref('fct_campaign_performance') }}
    where platform = 'meta_ads'
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
        sum(clicks_all) as clicks_all,
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
            and touched.connector = 'meta_ads'
            and touched.account_id = sums.account_id
            and touched.day = sums.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
group by entity_level, account_id, date_day, currency
having
    count(*) <> case entity_level when 'campaign' then 4 else 3 end
    {%- for measure in ['impressions', 'clicks', 'clicks_all', 'spend', 'conversions', 'conversion_value'] %}
    or min({{ measure }}) <> max({{ measure }})
    {%- endfor %}
