{#- Money in minor units, such as cents, to major units. Null when the exponent is not known: no budget is better than
    one that is wrong by a factor of a hundred. -#}
{% macro minor_to_major(amount, exponent) -%}
    ({{ amount }} / power(10::numeric, {{ exponent }}))::numeric(18, 6)
{%- endmacro %}
