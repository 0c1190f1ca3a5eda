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

{#- Attribution windows of Meta's lists, and how the columns of their figures end in staging. -#}
{% macro meta_ads_windows() -%}
    {{ return({
        'default': '', '1d_click': '_1d_click', '7d_click': '_7d_click', '28d_click': '_28d_click', '1d_view': '_1d_view'
    }) }}
{%- endmacro %}

{#- The figure of the window that a column names. -#}
{% macro meta_ads_in_window(measure, attribution_window) -%}
    case {{ attribution_window }}
        {%- for window, suffix in meta_ads_windows().items() %}
        when '{{ window }}' then {{ measure }}{{ suffix }}
        {%- endfor %}
    end
{%- endmacro %}
