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

{#- Months until the spend is back: customer acquisition cost / monthly recurring revenue per new customer, in which the
    number of customers cancels out. Of revenue, not of margin. Null without new revenue: it never comes back. -#}
{% macro payback_months(spend, new_mrr) -%}
    ({{ spend }} / nullif({{ new_mrr }}::numeric, 0))::numeric(38, 6)
{%- endmacro %}

{#- Percent of the closed deals that were won. Null without closed ones. -#}
{% macro win_rate(won, closed) -%}
    ({{ won }} * 100 / nullif({{ closed }}::numeric, 0))::numeric(38, 6)
{%- endmacro %}

{#- What an open deal is worth on average: its amount by the probability of its stage. Null where no probability is known. -#}
{% macro expected_amount(amount, probability) -%}
    ({{ amount }} * {{ probability }})::numeric(18, 6)
{%- endmacro %}
