{% set taxes = [stripe_sum('source.total_taxes'), stripe_sum('source.total_tax_amounts'), 'source.tax'] %}
with source as (
    select * from {{ source('stripe', 'invoices') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as invoice_id,
    source.number as invoice_number,
    source.customer as customer_id,
    coalesce({{ stripe_id('source.parent', 'subscription_details,subscription') }}, source.subscription)
        as subscription_id,
    source.status,
    source.billing_reason,
    source.collection_method,
    upper(source.currency) as currency,
    {{ stripe_amount('source.subtotal') }} as subtotal,
    {{ stripe_amount(stripe_sum('source.total_discount_amounts')) }} as discount_amount,
    {{ stripe_amount('coalesce(' ~ taxes | join(', ') ~ ')') }} as tax_amount,
    {{ stripe_amount('source.total') }} as total,
    {{ stripe_amount('source.total_excluding_tax') }} as total_excluding_tax,
    {{ stripe_amount('source.amount_due') }} as amount_due,
    {{ stripe_amount('source.amount_paid') }} as amount_paid,
    {{ stripe_amount('source.amount_remaining') }} as amount_remaining,
    {{ stripe_amount('source.amount_overpaid') }} as amount_overpaid,
    {{ stripe_amount('source.pre_payment_credit_notes_amount + source.post_payment_credit_notes_amount') }}
        as credited_amount,
    {{ stripe_amount('source.starting_balance') }} as starting_balance,
    source.charge as latest_charge_id,
    source.payment_intent as payment_intent_id,
    source.attempt_count,
    source.next_payment_attempt as next_attempt_at,
    source.due_date as due_at,
    source.period_start as period_starts_at,
    source.period_end as period_ends_at,
    source.finalized_at,
    source.paid_at,
    source.voided_at,
    source.marked_uncollectible_at,
    source.customer_country,
    source.metadata,
    source.livemode as is_live,
    source.created as created_at,
    source.deleted or source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
