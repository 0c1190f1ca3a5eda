{#- Money in micros, Google's millionths of a currency, to major units. The same for every currency. -#}
{% macro micros_to_major(amount) -%}
    ({{ amount }} / 1000000::numeric)::numeric(18, 6)
{%- endmacro %}

{#- A status in the words of the other platforms. A word Google adds stays as it is. -#}
{% macro google_ads_status(status) -%}
    case {{ status }} when 'ENABLED' then 'ACTIVE' when 'REMOVED' then 'DELETED' else {{ status }} end
{%- endmacro %}

{#- Whether a thing is gone: removed by its owner, though Google lists it for ever, or missing from the last listing -#}
{% macro google_ads_is_deleted(source) -%}
    coalesce({{ source }}.status = 'REMOVED', false) or {{ source }}._deleted_at is not null
{%- endmacro %}

{#- The results that Google's reports hold at every level. They are rounded here and nowhere else, so that sums of them
    agree wherever they are taken: Google sends binary fractions. -#}
{% macro google_ads_results(report) -%}
    {{ report }}.conversions::numeric(18, 6) as conversions,
    {{ report }}.conversions_value::numeric(18, 6) as conversion_value,
    {{ report }}.all_conversions::numeric(18, 6) as all_conversions,
    {{ report }}.all_conversions_value::numeric(18, 6) as all_conversion_value
{%- endmacro %}

{#- What the reports of performance hold at every level, under the names of the house. -#}
{% macro google_ads_report_columns(report, accounts) -%}
    {{ report }}.date as date_day,
    {{ report }}.currency_code as currency,
    {{ accounts }}.report_time_zone,
    {{ report }}.impressions,
    {{ report }}.clicks,
    {{ micros_to_major(report ~ '.cost_micros') }} as spend,
    {{ google_ads_results(report) }},
    {{ report }}.view_through_conversions,
    {{ report }}._synced_at as synced_at
{%- endmacro %}
