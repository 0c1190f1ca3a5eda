with source as (
    select * from {{ source('stripe', 'refunds') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as refund_id,
    source.charge as charge_id,
    source.payment_intent as payment_intent_id,
    source.balance_transaction as balance_transaction_id,
    source.status,
    source.reason,
    source.failure_reason,
    upper(source.currency) as currency,
    {{ stripe_amount('source.amount') }} as amount,
    source.metadata,
    source.created as created_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
