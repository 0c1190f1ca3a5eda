{{ config(materialized='view') }}

{#- What each mart tells of; of everything else it tells 0. -#}
{% set measures = {
    'spend_home': 'numeric(18, 6)',
    'impressions': 'bigint',
    'clicks': 'bigint',
    'new_contacts': 'bigint',
    'mqls': 'bigint',
    'deals_created': 'bigint',
    'deals_won': 'bigint',
    'new_customers': 'bigint',
} %}
with blended as (
    select * from {{ ref('fct_blended_efficiency_daily') }}
),

contacts as (
    select
        mql_day as date_day,
        channel
    from {{ ref('dim_contact') }}
    where mql_day is not null and not is_deleted
),

pipeline as (
    select * from {{ ref('fct_pipeline_daily') }}
),

figures as (
    {{ figures_of('blended', measures, {
        'spend_home': 'spend_home',
        'impressions': 'impressions',
        'clicks': 'clicks',
        'new_contacts': 'new_contacts',
        'deals_won': 'deals_won',
        'new_customers': 'new_customers',
    }) }}
    union all
    {{ figures_of('contacts', measures, {'mqls': '1'}) }}
    union all
    {{ figures_of('pipeline', measures, {'deals_created': 'deals_created'}) }}
)

select
    date_day,
    channel,
    {%- for measure, type in measures.items() %}
    sum({{ measure }})::{{ type }} as {{ measure }},
    {%- endfor %}
    '{{ var("home_currency") }}' as home_currency
from figures
group by date_day, channel
