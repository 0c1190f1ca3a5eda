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

{#- What a subscription shows of itself that its MRR depends on, as one JSON object; the same words for objects of every
    API version, so that two of them can be compared. `discounts` are ids, `items` have id, price, quantity, discounts. -#}
{% macro stripe_subscription_state(subscription) -%}
    jsonb_build_object(
        'status', {{ subscription }} -> 'status',
        'is_paused', coalesce(jsonb_typeof({{ subscription }} -> 'pause_collection') = 'object', false),
        'discounts', case
            when {{ stripe_ids(subscription ~ " -> 'discounts'") }} <> '[]'
                then {{ stripe_ids(subscription ~ " -> 'discounts'") }}
            -- Before basil there was one, and the list was empty or not there.
            else {{ stripe_ids("jsonb_build_array(nullif(" ~ subscription ~ " -> 'discount', 'null'))") }}
        end,
        'has_more', coalesce({{ subscription }} #> '{items,has_more}' = 'true', false),
        'items', coalesce(
            (
                select jsonb_agg(
                    jsonb_build_object(
                        'id', item ->> 'id',
                        'price', coalesce(item #>> '{price,id}', item #>> '{plan,id}'),
                        'quantity', item -> 'quantity',
                        'discounts', {{ stripe_ids("item -> 'discounts'") }}
                    )
                    order by item ->> 'id'
                )
                from jsonb_path_query({{ subscription }}, '$.items.data[*]') as listed (item)
            ),
            '[]'
        )
    )
{%- endmacro %}

{#- The ids in a JSON list of ids or whole objects, in order; an empty list when there is none. -#}
{% macro stripe_ids(list) -%}
    coalesce(
        (
            select jsonb_agg(coalesce(reference ->> 'id', reference #>> '{}') order by place)
            from jsonb_path_query({{ list }}, '$[*] ? (@ != null)') with ordinality as listed (reference, place)
        ),
        '[]'
    )
{%- endmacro %}

{#- A moment in Stripe's seconds, at a path of a JSON column. -#}
{% macro stripe_instant(json, path) -%}
    to_timestamp(({{ json }} #>> '{ {{- path -}} }')::bigint)
{%- endmacro %}
