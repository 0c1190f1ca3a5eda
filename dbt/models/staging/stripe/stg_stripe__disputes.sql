with source as (
    select * from {{ source('stripe', 'disputes') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as dispute_id,
    source.charge as charge_id,
    source.payment_intent as payment_intent_id,
    source.status,
    source.reason,
    source.network_reason_code,
    upper(source.currency) as currency,
    {{ stripe_amount('source.amount') }} as amount,
    source.has_evidence,
    source.evidence_due_by as evidence_due_at,
    source.metadata,
    source.livemode as is_live,
    source.created as created_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
