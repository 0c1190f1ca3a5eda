{#- How many times an interval of billing fits into a month, on average. Null for an interval that is not known. -#}
{% macro intervals_per_month(interval, interval_count) -%}
    (
        case {{ interval }} when 'day' then 365 / 12::numeric when 'week' then 52 / 12::numeric when 'month' then 1
        when 'year' then 1 / 12::numeric end / {{ interval_count }}
    )
{%- endmacro %}

{#- The quantity that is billed: `transform` is Stripe's transform_quantity, which divides and rounds to whole packages. -#}
{% macro billed_quantity(quantity, transform) -%}
    case {{ transform }} ->> 'round'
        when 'up' then ceil({{ quantity }} / ({{ transform }} ->> 'divide_by')::numeric)
        when 'down' then floor({{ quantity }} / ({{ transform }} ->> 'divide_by')::numeric)
        else {{ quantity }}
    end
{%- endmacro %}

{#- What percentages taken off one after the other leave, as a factor. There is no product over rows: logarithms are added,
    and rounded to more digits than percentages can have. -#}
{% macro left_after_percents(percent) -%}
    case
        when bool_or({{ percent }} >= 100) then 0
        else coalesce(round(exp(sum(ln(1 - {{ percent }} / 100)) filter (where {{ percent }} < 100)), 12), 1)
    end
{%- endmacro %}
