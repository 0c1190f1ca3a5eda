{#- Over all channels of a day nothing is lost or counted twice: the spend is that of the campaigns, each converted by
    itself, and the rest is what CRM and billing count without a channel. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_blended_efficiency_daily'}}}) }}

{% set measures = [
    'spend_home', 'new_contacts', 'deals_won', 'deals_won_amount_home', 'new_customers', 'net_revenue_home',
] %}
with figures as (
    select
        'sources' as layer,
        campaigns.date_day,
        campaigns.spend * (
            select rates.rate
            from {{ ref('dim_exchange_rate') }} as rates
            where
                rates.currency = campaigns.currency
                and campaigns.date_day >= rates.valid_from
                and campaigns.date_day < rates.valid_to
        ) as spend_home,
        0 as new_contacts,
        0 as deals_won,
        0 as deals_won_amount_home,
        0 as new_customers,
        0 as net_revenue_home
    from {{ ref('fct_campaign_performance') }} as campaigns
    union all
    select
        'sources' as layer,
        first_touch_day as date_day,
        0 as spend_home,
        1 as new_contacts,
        0 as deals_won,
        0 as deals_won_amount_home,
        0 as new_customers,
        0 as net_revenue_home
    from {{ ref('dim_contact') }}
    where not is_deleted
    union all
    select
        'sources' as layer,
        closed_day as date_day,
        0 as spend_home,
        0 as new_contacts,
        1 as deals_won,
        amount_home as deals_won_amount_home,
        0 as new_customers,
        0 as net_revenue_home
    from {{ ref('fct_deals') }}
    where is_won and closed_day is not null
    union all
    select
        'sources' as layer,
        date_day,
        0 as spend_home,
        0 as new_contacts,
        0 as deals_won,
        0 as deals_won_amount_home,
        new_customers,
        net_home as net_revenue_home
    from {{ ref('fct_revenue_daily') }}
    union all
    select
        'blended' as layer,
        date_day,
        {{ measures | join(',\n        ') }}
    from {{ ref('fct_blended_efficiency_daily') }}
),

sums as (
    select
        {%- for measure in measures %}
        coalesce(sum({{ measure }}), 0) as {{ measure }},
        {%- endfor %}
        layer,
        date_day
    from figures
    where {{ in_build_windows('date_day') }}
    group by layer, date_day
)

select
    date_day,
    json_object_agg(layer, row_to_json(sums)) as sums_by_layer
from sums
-- What landed after this run had begun, or was told by a table that was replaced since, is carried by the next one.
where
    not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.day = sums.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
group by date_day
having
    count(*) <> 2
    {%- for measure in measures %}
    -- Rounded once for a currency there, and for a campaign not at all here.
    or max({{ measure }}) - min({{ measure }}) > 0.001
    {%- endfor %}
