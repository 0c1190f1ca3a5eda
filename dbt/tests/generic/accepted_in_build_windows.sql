{#- A column has these values only. Looks at the days of the build windows only, like everything that runs at each sync. -#}
{% test accepted_in_build_windows(model, column_name, values) %}
    select {{ column_name }}
    from {{ model }}
    where {{ column_name }} not in ('{{ values | join("', '") }}') and {{ in_build_windows('date_day') }}
{% endtest %}
