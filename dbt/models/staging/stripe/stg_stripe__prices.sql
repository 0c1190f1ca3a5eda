with source as (
    select * from {{ source('stripe', 'prices') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as price_id,
    source.product as product_id,
    source.nickname as price_name,
    source.lookup_key,
    source.type as price_type,
    source.billing_scheme,
    upper(source.currency) as currency,
    {{ stripe_exponent() }} as currency_exponent,
    {{ stripe_unit_price() }} as unit_price,
    source.recurring_interval as billing_interval,
    source.recurring_interval_count as billing_interval_count,
    source.recurring_usage_type as usage_type,
    source.recurring_trial_days as trial_days,
    source.tiers_mode,
    source.transform_quantity,
    source.tax_behavior,
    source.active as is_active,
    source.metadata,
    source.livemode as is_live,
    source.created as created_at,
    source.deleted or source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
