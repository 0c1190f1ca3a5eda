{#- What campaigns report for a day beyond the sum of the entities below them: one row per campaign and day with a
    difference. Platforms report spend that no ad served, and leave deleted ads out of the lower levels; with these rows
    each level adds up to the campaign level. A difference below zero is one too: the levels were read at different times.

    `performance` is a relation with the columns of the performance models, `entity_level` the level to complete. -#}
{% macro unallocated_rows(performance, entity_level) -%}
    {%- set measures = {
        'impressions': 'bigint', 'clicks': 'bigint', 'clicks_all': 'bigint', 'spend': 'numeric(18, 6)',
        'conversions': 'numeric(18, 6)', 'conversion_value': 'numeric(18, 6)',
    } -%}
    {%- set sign = "case entity_level when 'campaign' then 1 else -1 end" -%}
    select
        platform,
        '{{ entity_level }}' as entity_level,
        account_id,
        'unallocated:' || campaign_id as entity_id,
        date_day,
        campaign_id,
        null as ad_group_id,
        null as ad_id,
        currency,
        max(report_time_zone) as report_time_zone
        {%- for measure, type in measures.items() %},
        sum({{ measure }} * {{ sign }})::{{ type }} as {{ measure }}
        {%- endfor %}
    from {{ performance }}
    where entity_level in ('campaign', '{{ entity_level }}')
    group by platform, account_id, campaign_id, date_day, currency
    having
        {%- for measure in measures %}
        {% if not loop.first %}or {% endif %}sum({{ measure }} * {{ sign }}) <> 0
        {%- endfor %}
{%- endmacro %}
