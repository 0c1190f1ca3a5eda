{#- Ad groups, and ads, add up to their campaign, the unallocated rows included. -#}
{% set measures = ['impressions', 'clicks', 'clicks_all', 'spend', 'conversions', 'conversion_value'] %}

select
    platform,
    account_id,
    campaign_id,
    date_day
    {%- for measure in measures %}
    {%- for level in ['campaign', 'ad_group', 'ad'] %},
    coalesce(sum({{ measure }}) filter (where entity_level = '{{ level }}'), 0) as {{ level }}_{{ measure }}
    {%- endfor %}
    {%- endfor %}
from {{ ref('fct_ad_performance_daily') }}
where {{ in_build_windows('date_day') }}
group by platform, account_id, campaign_id, date_day
having
    {%- for measure in measures %}
    {%- for level in ['ad_group', 'ad'] %}
    {% if not (loop.first and measure == measures[0]) %}or {% endif -%}
    coalesce(sum({{ measure }}) filter (where entity_level = '{{ level }}'), 0)
    <> coalesce(sum({{ measure }}) filter (where entity_level = 'campaign'), 0)
    {%- endfor %}
    {%- endfor %}
