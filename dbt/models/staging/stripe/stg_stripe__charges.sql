-- Since basil a charge does not name its invoice; what pays the invoice does, mostly by the payment intent.
with source as (
    select * from {{ source('stripe', 'charges') }}
),

payments as (
    select * from {{ source('stripe', 'invoice_payments') }}
),

of_intents as (
    select
        _account_id,
        payment_intent,
        min(invoice) as invoice
    from payments
    where payment_intent is not null
    group by _account_id, payment_intent
),

of_charges as (
    select
        _account_id,
        charge,
        min(invoice) as invoice
    from payments
    where charge is not null
    group by _account_id, charge
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as charge_id,
    source.customer as customer_id,
    source.payment_intent as payment_intent_id,
    coalesce(source.invoice, of_charges.invoice, of_intents.invoice) as invoice_id,
    source.balance_transaction as balance_transaction_id,
    source.status,
    source.paid as is_paid,
    source.captured as is_captured,
    source.refunded as is_refunded,
    source.disputed as is_disputed,
    upper(source.currency) as currency,
    {{ stripe_amount('source.amount') }} as amount,
    {{ stripe_amount('source.amount_captured') }} as amount_captured,
    {{ stripe_amount('source.amount_refunded') }} as amount_refunded,
    {{ stripe_amount('source.application_fee_amount') }} as application_fee_amount,
    source.payment_method_type,
    source.failure_code,
    source.outcome ->> 'type' as outcome_type,
    source.outcome ->> 'reason' as outcome_reason,
    source.outcome ->> 'risk_level' as risk_level,
    source.billing_country,
    source.billing_email,
    source.description,
    source.metadata,
    source.livemode as is_live,
    source.created as created_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join of_charges on source._account_id = of_charges._account_id and source.id = of_charges.charge
left join of_intents
    on source._account_id = of_intents._account_id and source.payment_intent = of_intents.payment_intent
left join currencies on upper(source.currency) = currencies.code
