{#- Days to rebuild, as a list of inclusive (first, last) pairs of ISO dates; an empty list means every day.

    Given as `2026-11-01...2026-11-03,2026-11-07...2026-11-07`, in the variable `windows` or, when that is not set, in
    the environment variable DATAFLOW_BUILD_WINDOWS. A changed variable makes dbt parse the whole project again; the
    environment variable does not, because it is read only while a node runs. -#}
{% macro build_windows() %}
    {%- set given = var('windows', none) -%}
    {%- if given is none -%}
        {%- set given = env_var('DATAFLOW_BUILD_WINDOWS', '') if execute else '' -%}
    {%- endif -%}
    {%- set windows = [] -%}
    {%- for window in (given | string).split(',') if given -%}
        {%- set day = '([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01]))' -%}
        {%- set found = modules.re.fullmatch(day ~ '[.]{3}' ~ day, window) -%}
        {%- if not found or found.group(1) > found.group(2) -%}
            {{ exceptions.raise_compiler_error(
                "Build windows: '" ~ window ~ "' is not FIRST...LAST, two ISO dates in order, both included. "
                ~ "Several are separated by commas, without spaces: 2026-11-01...2026-11-03,2026-11-07...2026-11-07."
            ) }}
        {%- endif -%}
        {%- do windows.append((found.group(1), found.group(2))) -%}
    {%- endfor -%}
    {{ return(windows) }}
{% endmacro %}

{#- Whether a day is to be rebuilt, as an SQL condition. -#}
{% macro in_build_windows(column) -%}
    {%- set windows = build_windows() -%}
    {%- if not windows -%}
        true
    {%- else -%}
        (
        {%- for first, last in windows %}
            {%- if not loop.first %} or {% endif -%}
            {{ column }} between date '{{ first }}' and date '{{ last }}'
        {%- endfor -%}
        )
        {%- if windows | length > 1 %}
            {#- Said once more as one range, since an index or a chunk is not looked up by an `or` of ranges. #}
            and {{ column }} between date '{{ windows | map('first') | min }}' and date '{{ windows | map('last') | max }}'
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#- Whether a span of time holds at the end of any day to be rebuilt, as an SQL condition: roughly, by the first and the last
    of these days, so that spans of other years are not looked at day by day. -#}
{% macro spans_build_windows(valid_from, valid_to) -%}
    {%- set windows = build_windows() -%}
    {%- if not windows -%}
        true
    {%- else -%}
        (
            {{ valid_from }} < (date '{{ windows | map('last') | max }}' + 1)::timestamp at time zone 'UTC'
            and {{ valid_to }} > date '{{ windows | map('first') | min }}'::timestamp at time zone 'UTC'
        )
    {%- endif -%}
{%- endmacro %}
