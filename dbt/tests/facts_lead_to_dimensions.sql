{#- What facts name is there: days, currencies and channels. A fact that named another would vanish from every join. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_blended_efficiency_daily'}}}) }}

{% set date, currency = ('date_day', 'dim_date', 'date_day'), ('currency', 'dim_currency', 'currency') %}
{% set home, channel = ('home_currency', 'dim_currency', 'currency'), ('channel', 'dim_channel', 'channel') %}
{% set platform = ('platform', 'dim_channel', 'channel') %}
{% set leads = {
    'fct_ad_performance_daily': [date, currency, home, platform],
    'fct_campaign_performance': [date, currency, home, platform],
    'fct_conversions_daily': [date, currency, home, platform],
    'fct_revenue_daily': [date, currency, home, channel],
    'fct_pipeline_daily': [date, currency, home, channel],
    'fct_subscription_mrr_daily': [date, currency, home, channel],
    'fct_blended_efficiency_daily': [date, home, channel],
} %}
{% for fact, columns in leads.items() %}
{% set last_fact = loop.last %}
{% for column, dimension, key in columns %}
select distinct
    '{{ fact }}' as fact,
    '{{ column }}' as named_by,
    facts.{{ column }}::text as named
from {{ ref(fact) }} as facts
left join {{ ref(dimension) }} as dimension on facts.{{ column }} = dimension.{{ key }}
where dimension.{{ key }} is null and {{ in_build_windows('facts.date_day') }}
{% if not (last_fact and loop.last) %}union all{% endif %}
{% endfor %}
{% endfor %}
