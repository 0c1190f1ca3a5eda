-- Count and value are chosen apart, since a type can be in one of Meta's two lists and not in the other.
{% set entity = 'entity_level, account_id, entity_id, date_day, currency' %}
with listed as (
    select
        actions.entity_level,
        actions.account_id,
        actions.entity_id,
        actions.date_day,
        actions.currency,
        action_map.priority,
        {{ meta_ads_in_window('actions.action_count', 'action_map.attribution_window') }} as conversions,
        {{ meta_ads_in_window('actions.action_value', 'action_map.attribution_window') }} as conversion_value
    from {{ ref('stg_meta_ads__insight_actions') }} as actions
    inner join {{ ref('conversion_action_map') }} as action_map
        on
            action_map.platform = 'meta_ads'
            and actions.action_type = action_map.action
            and action_map.counts_as = '{{ var("meta_ads_conversion") }}'
),

ranked as (
    select
        *,
        min(priority) filter (where conversions is not null) over (partition by {{ entity }}) as first_count,
        min(priority) filter (where conversion_value is not null) over (partition by {{ entity }}) as first_value
    from listed
)

select
    entity_level,
    account_id,
    entity_id,
    date_day,
    sum(conversions) filter (where priority = first_count) as conversions,
    sum(conversion_value) filter (where priority = first_value) as conversion_value
from ranked
group by {{ entity }}
