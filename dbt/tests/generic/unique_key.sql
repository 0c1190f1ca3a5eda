{#- No two rows share a key, in the whole relation: for what has no primary key. For facts there is unique_grain. -#}
{% test unique_key(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
