-- Since basil each item has a period of its own. They differ in flexible billing only; then the next renewal counts.
with source as (
    select * from {{ source('stripe', 'subscriptions') }}
),

periods as (
    select
        _account_id,
        subscription,
        min(current_period_start) as current_period_start,
        min(current_period_end) as current_period_end
    from {{ source('stripe', 'subscription_items') }}
    where not deleted and _deleted_at is null
    group by _account_id, subscription
)

select
    source._account_id as account_id,
    source.id as subscription_id,
    source.customer as customer_id,
    source.status,
    source.status in ('trialing', 'active', 'past_due') as is_running,
    upper(source.currency) as currency,
    source.collection_method,
    source.billing_mode,
    source.start_date as starts_at,
    source.trial_start as trial_starts_at,
    source.trial_end as trial_ends_at,
    source.billing_cycle_anchor as billing_anchor_at,
    coalesce(periods.current_period_start, source.current_period_start) as current_period_starts_at,
    coalesce(periods.current_period_end, source.current_period_end) as current_period_ends_at,
    source.cancel_at_period_end,
    source.cancel_at as cancels_at,
    source.canceled_at,
    source.ended_at,
    source.cancellation_reason,
    source.cancellation_feedback,
    source.pause_collection is not null as is_collection_paused,
    source.pause_collection ->> 'behavior' as pause_behavior,
    source.latest_invoice as latest_invoice_id,
    coalesce(
        nullif(source.discounts, '[]'),
        case when source.discount is not null then jsonb_build_array(source.discount) end
    ) as discounts,
    source.metadata,
    source.livemode as is_live,
    source.created as created_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join periods on source._account_id = periods._account_id and source.id = periods.subscription
