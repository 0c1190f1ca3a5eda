{#- One level of a platform's performance in the shape all platforms are brought to. `reports` is a staging relation with
    the ids of the level and those above it; `clicks`, `clicks_all` and `entity_id` name its columns. The currency XXX,
    which ISO 4217 keeps for "none", stands for an account that has not been read itself: no figure is lost, and none is
    added to others. -#}
{% macro performance_level(platform, level, reports, clicks='clicks', clicks_all='clicks', entity_id=none) -%}
    {%- set levels = ['campaign', 'ad_group', 'ad'] -%}
    {%- set depth = levels.index(level) -%}
    select
        '{{ platform }}' as platform,
        '{{ level }}' as entity_level,
        account_id,
        {{ entity_id or level ~ '_id' }} as entity_id,
        date_day,
        campaign_id,
        {{ 'ad_group_id' if depth > 0 else 'null' }}::text as ad_group_id,
        {{ 'ad_id' if depth > 1 else 'null' }}::text as ad_id,
        coalesce(currency, 'XXX') as currency,
        report_time_zone,
        impressions,
        {{ clicks }} as clicks,
        {{ clicks_all }} as clicks_all,
        spend::numeric(18, 6) as spend,
        conversions::numeric(18, 6) as conversions,
        conversion_value::numeric(18, 6) as conversion_value
    from {{ reports }}
{%- endmacro %}
