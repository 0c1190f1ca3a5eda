{#- What Meta's reports hold at every level, under the names of the house. Spend is rounded here and nowhere else, so
    that sums of it agree wherever they are taken. -#}
{% macro meta_ads_report_columns(report, accounts) -%}
    {{ report }}.date_start as date_day,
    {{ report }}.account_currency as currency,
    {{ accounts }}.report_time_zone,
    {{ report }}.impressions,
    {{ report }}.inline_link_clicks as link_clicks,
    {{ report }}.clicks as clicks_all,
    {{ report }}.spend::numeric(18, 6) as spend,
    {{ report }}.reach,
    {{ report }}.frequency,
    {{ report }}.actions,
    {{ report }}.action_values,
    {{ report }}.attribution_setting,
    {{ report }}._synced_at as synced_at
{%- endmacro %}

{#- The measure of the first of some action types that a group of rows has. Never the sum: Meta lists one purchase under
    several types. -#}
{% macro first_action(measure, action_types) -%}
    coalesce(
        {%- for action_type in action_types %}
        max({{ measure }}) filter (where action_type = '{{ action_type }}'),
        {%- endfor %}
        null
    )
{%- endmacro %}
