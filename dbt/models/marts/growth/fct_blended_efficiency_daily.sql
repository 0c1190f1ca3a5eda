{{ config(
    materialized='incremental',
    incremental_strategy='replace_range',
    on_schema_change='fail',
    full_refresh=false,
) }}

{#- What each source tells of; of everything else it tells 0. -#}
{% set measures = {
    'spend_home': 'numeric(18, 6)',
    'impressions': 'bigint',
    'clicks': 'bigint',
    'claimed_conversions': 'numeric(18, 6)',
    'claimed_conversion_value_home': 'numeric(18, 6)',
    'new_contacts': 'bigint',
    'deals_won': 'bigint',
    'deals_won_amount_home': 'numeric(18, 6)',
    'new_customers': 'bigint',
    'net_revenue_home': 'numeric(18, 6)',
    'new_mrr_home': 'numeric(18, 6)',
    'unconverted_amounts': 'bigint',
} %}
-- By currency first: an amount is converted once for a day, and what cannot be converted is counted.
with advertising as (
    select
        date_day,
        platform as channel,
        currency,
        sum(impressions) as impressions,
        sum(clicks) as clicks,
        sum(conversions) as conversions,
        sum(spend) as spend,
        sum(conversion_value) as conversion_value,
        count(*) filter (where spend <> 0 or conversion_value <> 0) as amounts
    from {{ ref('fct_ad_performance_daily') }}
    where entity_level = 'campaign' and {{ in_build_windows('date_day') }}
    group by date_day, platform, currency
),

contacts as (
    select
        first_touch_day as date_day,
        channel
    from {{ ref('dim_contact') }}
    where not is_deleted and {{ in_build_windows('first_touch_day') }}
),

deals as (
    select
        closed_day as date_day,
        channel,
        amount,
        amount_home
    from {{ ref('fct_deals') }}
    where is_won and closed_day is not null and {{ in_build_windows('closed_day') }}
),

revenue as (
    select *
    from {{ ref('fct_revenue_daily') }}
    where {{ in_build_windows('date_day') }}
),

-- Revenue of a subscription is new on the first day at whose end it brings something.
begins as (
    select
        account_id,
        subscription_id,
        (min(valid_from) at time zone 'UTC')::date as date_day
    from {{ ref('int_subscription_item_spans') }}
    where
        mrr <> 0
        -- What was over by the end of its day is on no day.
        and (valid_from at time zone 'UTC')::date < (valid_to at time zone 'UTC')::date
    group by account_id, subscription_id
),

new_mrr as (
    select
        mrr.date_day,
        mrr.channel,
        mrr.mrr_home
    from {{ ref('fct_subscription_mrr_daily') }} as mrr
    inner join begins
        on
            mrr.account_id = begins.account_id
            and mrr.subscription_id = begins.subscription_id
            and mrr.date_day = begins.date_day
    where {{ in_build_windows('mrr.date_day') }}
),

figures as (
    {{ figures_of('advertising', measures, {
        'spend_home': in_home_currency('advertising.spend'),
        'impressions': 'advertising.impressions',
        'clicks': 'advertising.clicks',
        'claimed_conversions': 'advertising.conversions',
        'claimed_conversion_value_home': in_home_currency('advertising.conversion_value'),
        'unconverted_amounts': 'case when fx.rate is null then advertising.amounts else 0 end',
    }) }}
    {{ join_fx('advertising') }}
    union all
    {{ figures_of('contacts', measures, {'new_contacts': '1'}) }}
    union all
    {{ figures_of('deals', measures, {
        'deals_won': '1',
        'deals_won_amount_home': 'amount_home',
        'unconverted_amounts': 'case when amount <> 0 and amount_home is null then 1 else 0 end',
    }) }}
    union all
    {{ figures_of('revenue', measures, {
        'new_customers': 'new_customers',
        'net_revenue_home': 'net_home',
        'unconverted_amounts': 'unconverted_transactions',
    }) }}
    union all
    {{ figures_of('new_mrr', measures, {
        'new_mrr_home': 'mrr_home',
        'unconverted_amounts': 'case when mrr_home is null then 1 else 0 end',
    }) }}
),

summed as (
    select
        {%- for measure, type in measures.items() %}
        coalesce(sum({{ measure }}), 0)::{{ type }} as {{ measure }},
        {%- endfor %}
        date_day,
        channel
    from figures
    group by date_day, channel
)

select
    date_day,
    channel,
    '{{ var("home_currency") }}' as home_currency,
    {%- for measure in measures if measure != 'unconverted_amounts' %}
    {{ measure }},
    {%- endfor %}
    {{ cac('spend_home', 'new_customers') }} as cac,
    {{ roas('claimed_conversion_value_home', 'spend_home') }} as claimed_roas,
    {{ roas('net_revenue_home', 'spend_home') }} as actual_roas,
    unconverted_amounts,
    {{ payback_months('spend_home', 'new_mrr_home') }} as payback_months
from summed
