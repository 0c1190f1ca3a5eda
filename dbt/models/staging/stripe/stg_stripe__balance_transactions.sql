with source as (
    select * from {{ source('stripe', 'balance_transactions') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as balance_transaction_id,
    source.type as transaction_type,
    source.reporting_category,
    source.source as source_id,
    source.status,
    source.balance_type,
    upper(source.currency) as currency,
    {{ stripe_amount('source.amount') }} as amount,
    {{ stripe_amount('source.fee') }} as fee,
    {{ stripe_amount('source.net') }} as net_amount,
    source.exchange_rate,
    source.fee_details,
    source.description,
    source.available_on as available_at,
    source.created as created_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
