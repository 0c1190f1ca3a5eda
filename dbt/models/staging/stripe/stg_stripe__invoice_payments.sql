with source as (
    select * from {{ source('stripe', 'invoice_payments') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as invoice_payment_id,
    source.invoice as invoice_id,
    source.status,
    source.payment_type,
    source.payment_intent as payment_intent_id,
    source.charge as charge_id,
    source.payment_record as payment_record_id,
    source.is_default,
    upper(source.currency) as currency,
    {{ stripe_amount('source.amount_requested') }} as amount_requested,
    {{ stripe_amount('source.amount_paid') }} as amount_paid,
    source.livemode as is_live,
    source.created as created_at,
    source.paid_at,
    source.canceled_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
