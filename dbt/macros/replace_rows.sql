{#- Incremental strategy `replace_range`: the days of the build windows become exactly what the model selects.

    A day that has become empty becomes empty in the table, which neither dbt's delete+insert (it deletes only what it
    has new rows for) nor MERGE does; and MERGE leaves TimescaleDB's continuous aggregates stale. Both statements run in
    the transaction of the model. The model must select with the same `in_build_windows('date_day')`. -#}
{% macro get_incremental_replace_range_sql(arg_dict) %}
    {{- replace_rows(arg_dict, in_build_windows('date_day')) -}}
{% endmacro %}

{#- Incremental strategy `replace_all`: the table becomes exactly what the model selects, and stays the same table. dbt's
    `table` swaps in a new one and drops the old one with every view that people have put on it. Facts that read the
    table are told which of their days its changes concern: `touched_days.sql`. -#}
{% macro get_incremental_replace_all_sql(arg_dict) %}
    {%- set days_of = config.get('meta').get('touched_days') %}
    {% if days_of %}{{ touch_days(arg_dict, context[days_of]) }}{% endif %}
    {{- replace_rows(arg_dict, 'true') -}}
{% endmacro %}

{% macro replace_rows(arg_dict, condition) %}
    {%- if flags.EMPTY or flags.SAMPLE -%}
        {{ exceptions.raise_compiler_error(
            '--empty and --sample would delete the rows they leave out from ' ~ arg_dict['target_relation']
        ) }}
    {%- endif -%}
    {%- set columns = get_quoted_csv(arg_dict['dest_columns'] | map(attribute='name')) %}

    {#- TimescaleDB refuses to unpack more than 100,000 rows of columns in a statement; a deep backfill replaces more.
        Where it is missing this sets a name that nobody reads. To the end of the transaction. #}
    select set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true);

    delete from {{ arg_dict['target_relation'] }}
    where {{ condition }};

    insert into {{ arg_dict['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arg_dict['temp_relation'] }}
{% endmacro %}

{#- Held to the end of the transaction, so that two runs build a relation one after the other. Taken before the model
    is read: the second run then sees what the first has left, and does not insert the same days again. -#}
{% macro lock_for_build(relation) -%}
    select pg_advisory_xact_lock(hashtextextended('{{ relation.schema }}.{{ relation.identifier }}', 0))
{%- endmacro %}

{#- Before a model adds what is new to its table: what another version of it has made, or what its source no longer has, goes.
    `definition` is the column with the digest of what made a row. -#}
{% macro forget_rows(relation, definition, source, key) -%}
    {%- if is_incremental() -%}
        delete from {{ relation }} as known
        where
            known.definition <> '{{ definition }}'
            or not exists (
                select 1 from {{ source }} as source
                where
                    {%- for column in key %}
                    {% if not loop.first %}and {% endif %}known.{{ column }} = source.{{ column }}
                    {%- endfor %}
            )
    {%- endif -%}
{%- endmacro %}
