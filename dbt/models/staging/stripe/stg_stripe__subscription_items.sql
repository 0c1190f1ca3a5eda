with source as (
    select * from {{ source('stripe', 'subscription_items') }}
),

subscriptions as (
    select * from {{ source('stripe', 'subscriptions') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.subscription as subscription_id,
    source.id as subscription_item_id,
    source.price as price_id,
    source.product as product_id,
    source.quantity,
    upper(source.currency) as currency,
    {{ stripe_unit_price() }} as unit_price,
    source.billing_scheme,
    source.recurring_interval as billing_interval,
    source.recurring_interval_count as billing_interval_count,
    source.recurring_usage_type as usage_type,
    source.transform_quantity,
    coalesce(source.current_period_start, subscriptions.current_period_start) as current_period_starts_at,
    coalesce(source.current_period_end, subscriptions.current_period_end) as current_period_ends_at,
    source.discounts,
    source.metadata,
    source.created as created_at,
    source.deleted or source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join subscriptions on source._account_id = subscriptions._account_id and source.subscription = subscriptions.id
left join currencies on upper(source.currency) = currencies.code
