{#- No two rows share a key. Looks at the days of the build windows only, like everything that runs at each sync. -#}
{% test unique_grain(model, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    where {{ in_build_windows('date_day') }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
