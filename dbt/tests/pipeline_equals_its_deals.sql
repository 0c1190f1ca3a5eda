{#- Over all pipelines and channels of a day and currency nothing is lost or counted twice: deals and amounts are those of
    the deals themselves. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_pipeline_daily'}}}) }}

{% set measures = [
    'deals_created', 'amount_created', 'deals_won', 'amount_won', 'amount_won_home', 'deals_lost', 'amount_lost',
] %}
with figures as (
    select
        'deals' as layer,
        created_day as date_day,
        account_id,
        currency,
        1 as deals_created,
        amount as amount_created,
        0 as deals_won,
        0 as amount_won,
        0 as amount_won_home,
        0 as deals_lost,
        0 as amount_lost
    from {{ ref('fct_deals') }}
    where created_day is not null
    union all
    select
        'deals' as layer,
        closed_day as date_day,
        account_id,
        currency,
        0 as deals_created,
        0 as amount_created,
        is_won::int as deals_won,
        amount * is_won::int as amount_won,
        amount_home * is_won::int as amount_won_home,
        1 - is_won::int as deals_lost,
        amount * (1 - is_won::int) as amount_lost
    from {{ ref('fct_deals') }}
    where closed_day is not null
    union all
    select
        'pipeline' as layer,
        date_day,
        account_id,
        currency,
        {{ measures | join(',\n        ') }}
    from {{ ref('fct_pipeline_daily') }}
),

sums as (
    select
        {%- for measure in measures %}
        coalesce(sum({{ measure }}), 0) as {{ measure }},
        {%- endfor %}
        layer,
        date_day,
        account_id,
        currency
    from figures
    where {{ in_build_windows('date_day') }}
    group by layer, date_day, account_id, currency
)

select
    date_day,
    account_id,
    currency,
    json_object_agg(layer, row_to_json(sums)) as sums_by_layer
from sums
-- What a table told after this run had begun is carried by the next one.
where
    not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.day = sums.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
group by date_day, account_id, currency
having
    count(*) <> 2
    {%- for measure in measures %}
    or min({{ measure }}) <> max({{ measure }})
    {%- endfor %}
