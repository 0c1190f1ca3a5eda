{#- The time of a snapshot with its zone. dbt's own for PostgreSQL takes the zone away, so that it meant another instant
    for every session. -#}
{% macro postgres__snapshot_get_time() -%}
    {{ current_timestamp() }}
{%- endmacro %}
