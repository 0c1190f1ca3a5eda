{#- Which records were merged into which, by the survivors' lists of ids. One that was merged more than once is told by
    several survivors: the latest of them is where it is now. -#}
{% macro hubspot_merged(source) -%}
    select distinct on (survivor._account_id, gone.id)
        survivor._account_id,
        gone.id,
        survivor.id as survivor_id
    from {{ source }} as survivor
    cross join unnest(string_to_array(survivor.hs_merged_object_ids, ';')) as gone (id)
    where gone.id <> survivor.id
    order by survivor._account_id, gone.id, survivor._deleted_at nulls first, survivor.updated_at desc
{%- endmacro %}
