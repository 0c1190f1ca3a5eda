{#- Every row has its other one. Looks at the days of the build windows only, like everything that runs at each sync. -#}
{% test related_in_build_windows(model, to, columns) %}
    select {{ columns | join(', ') }}
    from {{ model }}
    where {{ in_build_windows('date_day') }}
    except
    select {{ columns | join(', ') }}
    from {{ to }}
{% endtest %}
