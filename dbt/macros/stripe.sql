{#- An amount of Stripe's in major units: `source` is the relation it is in, `currencies` the seed joined to it. Stripe's
    minor units are those of ISO 4217 but for krónur and Ugandan shillings, which it still writes with two decimals. -#}
{% macro stripe_amount(amount) -%}
    {{ minor_to_major(amount, stripe_exponent()) }}
{%- endmacro %}

{#- The same for a price per unit, which may be a fraction of the minor unit: up to twelve decimals of it. -#}
{% macro stripe_unit_price() -%}
    (
        coalesce(source.unit_amount_decimal, source.unit_amount) / power(10::numeric, {{ stripe_exponent() }})
    )::numeric(30, 14)
{%- endmacro %}

{% macro stripe_exponent() -%}
    case when source.currency in ('isk', 'ugx') then 2 else currencies.exponent end
{%- endmacro %}

{#- The id at a path of a JSON column, where Stripe may show the id or the whole object. -#}
{% macro stripe_id(json, path) -%}
    coalesce({{ json }} #>> '{ {{- path -}} ,id}', {{ json }} #>> '{ {{- path -}} }')
{%- endmacro %}

{#- The sum of the amounts in a JSON list, in minor units; null where there is no list. -#}
{% macro stripe_sum(list) -%}
    case
        when {{ list }} is not null
            then coalesce((
                select sum(listed.amount::numeric)
                from jsonb_path_query({{ list }}, '$[*].amount ? (@.type() == "number")') as listed (amount)
            ), 0)
    end
{%- endmacro %}
