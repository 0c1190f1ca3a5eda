{#- Movements of one kind, as a factor: what is of another kind counts 0, and what is not known stays unknown. -#}
{% macro amount_of_kind(amount, kind) -%}
    {{ amount }} * (kind = '{{ kind }}')::int
{%- endmacro %}

{#- What one relation tells of a day and channel, in the shape all of them are brought to: `measures` names the columns
    and their types, `told` the expressions of those the relation tells; the others are 0. -#}
{% macro figures_of(relation, measures, told) -%}
    select
        {{ relation }}.date_day,
        {{ relation }}.channel
        {%- for measure, type in measures.items() %},
        ({{ told.get(measure, 0) }})::{{ type }} as {{ measure }}
        {%- endfor %}
    from {{ relation }}
{%- endmacro %}
