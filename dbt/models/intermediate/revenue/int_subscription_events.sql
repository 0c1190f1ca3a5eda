-- How a subscription stood before and after each event of it, as the events tell.
with events as (
    select
        account_id,
        object_id as subscription_id,
        event_id,
        event_type,
        created_at,
        object,
        object || coalesce(
            -- What changed is told by its old value, at the top level as a whole.
            previous_attributes,
            -- Of an end Stripe does not tell what was before it.
            case
                when event_type <> 'customer.subscription.deleted' then '{}'
                when {{ stripe_instant('object', 'trial_end') }} > created_at then '{"status": "trialing"}'::jsonb
                else '{"status": "active"}'
            end
        ) as object_before
    from {{ ref('stg_stripe__events') }}
    where object_type = 'subscription' and event_type like 'customer.subscription.%'
)

select
    account_id,
    subscription_id,
    event_id,
    event_type,
    created_at,
    case
        when event_type <> 'customer.subscription.created' then {{ stripe_subscription_state('object_before') }}
    end as state_before,
    {{ stripe_subscription_state('object') }} as state_after
from events
