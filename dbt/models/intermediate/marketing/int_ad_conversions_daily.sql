-- Conversions of all platforms by action, with the event each counts as and whether it stands for that event. Windows of
-- rows instead of groups and joins: a filter on the day passes through them down to the raw tables.
{% set event = 'partition by platform, account_id, campaign_id, date_day, currency, counts_as' %}
with actions as (
    {% for platform in ['google_ads', 'meta_ads', 'linkedin_ads'] %}
    select
        '{{ platform }}' as platform,
        account_id,
        campaign_id,
        action,
        action_kind,
        attribution_window,
        date_day,
        coalesce(currency, 'XXX') as currency,
        report_time_zone,
        conversions::numeric(18, 6) as conversions,
        conversion_value::numeric(18, 6) as conversion_value
    from {{ ref('int_' ~ platform ~ '__actions_daily') }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

action_map as (
    select * from {{ ref('conversion_action_map') }}
),

-- Without a priority is what can stand for nothing: it is unmapped, or of a window that is not counted.
mapped as (
    select
        actions.*,
        coalesce(own.counts_as, kind.counts_as, 'unmapped') as counts_as,
        case
            when actions.attribution_window = coalesce(own.attribution_window, kind.attribution_window)
                then coalesce(own.priority, kind.priority)
        end as priority
    from actions
    left join action_map as own
        on actions.platform = own.platform and actions.action = own.action
    left join action_map as kind
        on actions.platform = kind.platform and actions.action_kind = kind.action
),

ranked as (
    select
        *,
        min(priority) over ({{ event }}) as first_priority,
        min(priority) filter (where conversions is not null) over ({{ event }}) as first_count,
        min(priority) filter (where conversion_value is not null) over ({{ event }}) as first_value
    from mapped
),

judged as (
    select
        *,
        coalesce(priority = first_priority, false) as is_counted,
        sum(conversions) filter (where priority = first_count) over ({{ event }}) as event_conversions,
        sum(conversion_value) filter (where priority = first_value) over ({{ event }}) as event_value,
        min(action) filter (where priority = first_priority) over ({{ event }}) as first_action
    from ranked
)

-- Meta can list the count of an event under one name and its value under another. The row that stands for the event then
-- has both, or a sum over such rows would lose one.
select
    platform,
    account_id,
    campaign_id,
    action,
    attribution_window,
    counts_as,
    is_counted,
    date_day,
    currency,
    report_time_zone,
    case
        when is_counted and action = first_action and first_count > first_priority then event_conversions
        else coalesce(conversions, 0)
    end::numeric(18, 6) as conversions,
    case
        when is_counted and action = first_action and first_value > first_priority then event_value
        else coalesce(conversion_value, 0)
    end::numeric(18, 6) as conversion_value
from judged
