{% set actions = var('meta_ads_conversion_actions') %}
-- Count and value are chosen apart, since a type can be in one of Meta's two lists and not in the other.
select
    entity_level,
    account_id,
    entity_id,
    date_day,
    {{ first_action('action_count', actions) }} as conversions,
    {{ first_action('action_value', actions) }} as conversion_value
from {{ ref('stg_meta_ads__insight_actions') }}
where action_type in ('{{ actions | join("', '") }}')
group by entity_level, account_id, entity_id, date_day
