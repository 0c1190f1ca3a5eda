{#- Joins the rate to the home currency that held on a day. Null where none is known: an amount that cannot be converted
    is missing from the home amount, and must be told. -#}
{% macro join_fx(relation, currency='currency', day='date_day', alias='fx') -%}
    left join {{ ref('dim_exchange_rate') }} as {{ alias }}
        on
            {{ relation }}.{{ currency }} = {{ alias }}.currency
            and {{ relation }}.{{ day }} >= {{ alias }}.valid_from
            and {{ relation }}.{{ day }} < {{ alias }}.valid_to
{%- endmacro %}

{#- An amount in the home currency, by the rate that `join_fx` has joined. The only way from one currency to another. -#}
{% macro in_home_currency(amount, alias='fx') -%}
    ({{ amount }} * {{ alias }}.rate)::numeric(18, 6)
{%- endmacro %}
