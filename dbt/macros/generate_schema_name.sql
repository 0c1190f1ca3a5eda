{% macro generate_schema_name(custom_schema_name, node) -%}
    {#- The schema a folder names is the schema it gets: `staging`, not `marts_staging`. -#}
    {{- (custom_schema_name or target.schema) | trim -}}
{%- endmacro %}
