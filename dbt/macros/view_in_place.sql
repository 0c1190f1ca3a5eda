{#- Replaces dbt's own `view`, which puts a new view beside the old one and drops the old one with everything that stands
    on it. A run of one staging view would silently take the views above it, and people's own, out of the database.
    Here they stay; only when columns were taken away or retyped is the view dropped, and dbt builds those above it. -#}
{% materialization view, adapter='postgres' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target = this.incorporate(type='view') -%}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {%- if existing is not none and not existing.is_view -%}
        {{ adapter.drop_relation(existing) }}
    {%- endif -%}
    {%- if config.get('contract').enforced -%}
        {{ get_assert_columns_equivalent(sql) }}
    {%- endif -%}

    {% call statement('main') -%}
        do $dataflow$
        begin
            create or replace view {{ target }} as
            {{ sql }}
            ;
        exception when invalid_table_definition then
            drop view {{ target }} cascade;
            create view {{ target }} as
            {{ sql }}
            ;
        end $dataflow$
    {%- endcall %}

    {% do apply_grants(target, config.get('grants'), should_revoke=should_revoke(existing, full_refresh_mode=False)) %}
    {% do persist_docs(target, model) %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {% do adapter.commit() %}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
