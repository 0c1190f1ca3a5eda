{#- The condition is true (not null) of every row of the days that were built. -#}
{% test holds_in_build_windows(model, condition) %}
    select *
    from {{ model }}
    where ({{ condition }}) is not true and {{ in_build_windows('date_day') }}
{% endtest %}
