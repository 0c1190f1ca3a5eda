{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
    meta={'touched_days': 'days_of_rates'},
) }}

{#- From any currency to the home currency, by validity: a rate holds until the next one is known, over weekends and gaps.
    Rates are units of a currency per US dollar. Your own go before the shipped ones: the variable fx_rates names a
    relation with the columns currency, rate_date and units_per_usd. -#}
{% set home = var('home_currency') %}
with told as (
    select
        currency,
        rate_date,
        units_per_usd,
        'shipped monthly averages' as source,
        'monthly average' as rate_policy,
        2 as rank
    from {{ ref('fx_rates') }}
    {% if var('fx_rates') %}
    union all
    select
        currency,
        rate_date,
        units_per_usd,
        '{{ var("fx_rates") }}' as source,
        'own rate' as rate_policy,
        1 as rank
    from {{ var('fx_rates') }}
    {% endif %}
),

rates as (
    select distinct on (currency, rate_date)
        currency,
        rate_date,
        units_per_usd,
        source,
        rate_policy
    from told
    where units_per_usd > 0
    order by currency, rate_date, rank
),

with_dollar as (
    select * from rates
    union all
    select
        'USD' as currency,
        min(rate_date) as rate_date,
        1 as units_per_usd,
        'by definition' as source,
        'definition' as rate_policy
    from rates
),

currencies as (
    select distinct currency from with_dollar
),

-- The rate changes whenever either side does.
changes as (
    select
        currency,
        rate_date as valid_from
    from with_dollar
    union
    select
        currencies.currency,
        home.rate_date as valid_from
    from currencies
    cross join with_dollar as home
    where home.currency = '{{ home }}'
),

spans as (
    select
        currency,
        valid_from,
        lead(valid_from, 1, date '9999-12-31') over (partition by currency order by valid_from) as valid_to
    from changes
)

select
    spans.currency,
    '{{ home }}' as home_currency,
    spans.valid_from,
    spans.valid_to,
    (home.units_per_usd / own.units_per_usd)::numeric(24, 12) as rate,
    own.rate_date,
    own.source,
    own.rate_policy
from spans
inner join lateral (
    select
        with_dollar.units_per_usd,
        with_dollar.rate_date,
        with_dollar.source,
        with_dollar.rate_policy
    from with_dollar
    where with_dollar.currency = spans.currency and with_dollar.rate_date <= spans.valid_from
    order by with_dollar.rate_date desc
    limit 1
) as own on true
inner join lateral (
    select with_dollar.units_per_usd
    from with_dollar
    where with_dollar.currency = '{{ home }}' and with_dollar.rate_date <= spans.valid_from
    order by with_dollar.rate_date desc
    limit 1
) as home on true
