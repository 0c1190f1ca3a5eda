-- What Meta lists for a campaign and day, a row for each action type and window that has a count or a value.
select
    actions.account_id,
    actions.entity_id as campaign_id,
    actions.action_type as action,
    null::text as action_kind,
    windows.attribution_window,
    actions.date_day,
    actions.currency,
    actions.report_time_zone,
    windows.conversions,
    windows.conversion_value
from {{ ref('stg_meta_ads__insight_actions') }} as actions
inner join lateral (
    values
    {%- for window, suffix in meta_ads_windows().items() %}
    ('{{ window }}', actions.action_count{{ suffix }}, actions.action_value{{ suffix }})
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
) as windows (attribution_window, conversions, conversion_value) on true
where
    actions.entity_level = 'campaign'
    and (windows.conversions is not null or windows.conversion_value is not null)
