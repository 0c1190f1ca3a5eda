with source as (
    select * from {{ source('stripe', 'customers') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as customer_id,
    source.name as customer_name,
    source.business_name,
    source.email,
    source.description,
    source.country,
    upper(source.currency) as currency,
    {{ stripe_amount('source.balance') }} as balance,
    source.delinquent as is_delinquent,
    source.tax_exempt as tax_exemption,
    source.discount,
    source.metadata,
    source.livemode as is_live,
    source.created as created_at,
    source.deleted or source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
