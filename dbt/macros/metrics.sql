{#- One definition of each metric. The arguments are sums over whatever is looked at: a ratio of sums is right at every
    grain, an average of ratios at none. A divisor of 0 gives 0. Wider than amounts of money: what is divided by a
    millionth can be as large as that makes it. -#}

{% macro ratio(dividend, divisor) -%}
    coalesce({{ dividend }} / nullif({{ divisor }}::numeric, 0), 0)::numeric(38, 6)
{%- endmacro %}

{#- Percent of impressions that were clicked. -#}
{% macro ctr(clicks, impressions) -%}
    {{ ratio(clicks ~ ' * 100', impressions) }}
{%- endmacro %}

{#- Money per click. -#}
{% macro cpc(spend, clicks) -%}
    {{ ratio(spend, clicks) }}
{%- endmacro %}

{#- Money per thousand impressions. -#}
{% macro cpm(spend, impressions) -%}
    {{ ratio(spend ~ ' * 1000', impressions) }}
{%- endmacro %}

{#- Money per conversion. -#}
{% macro cpa(spend, conversions) -%}
    {{ ratio(spend, conversions) }}
{%- endmacro %}

{#- Percent of clicks that led to a conversion. -#}
{% macro conversion_rate(conversions, clicks) -%}
    {{ ratio(conversions ~ ' * 100', clicks) }}
{%- endmacro %}

{#- Value earned per unit of money spent. -#}
{% macro roas(conversion_value, spend) -%}
    {{ ratio(conversion_value, spend) }}
{%- endmacro %}

{#- Percent gained on the money spent: (roas - 1) * 100. -#}
{% macro roi(conversion_value, spend) -%}
    {{ ratio('(' ~ conversion_value ~ ' - ' ~ spend ~ ') * 100', spend) }}
{%- endmacro %}

{#- Money per new customer. Null without any: 0 would read as free. -#}
{% macro cac(spend, new_customers) -%}
    ({{ spend }} / nullif({{ new_customers }}::numeric, 0))::numeric(38, 6)
{%- endmacro %}
