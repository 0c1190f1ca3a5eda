{% set taxes = [stripe_sum('source.taxes'), stripe_sum('source.tax_amounts')] %}
-- Since basil what a line comes from stands under `parent`, at a place named by its type.
with source as (
    select
        *,
        parent -> (parent ->> 'type') as origin
    from {{ source('stripe', 'invoice_lines') }}
),

prices as (
    select * from {{ source('stripe', 'prices') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

priced as (
    select
        source.*,
        coalesce({{ stripe_id('source.pricing', 'price_details,price') }}, source.price) as price_id
    from source
)

select
    source._account_id as account_id,
    source.invoice as invoice_id,
    source.id as invoice_line_id,
    case coalesce(source.parent ->> 'type', source.type)
        when 'subscription_item_details' then 'subscription'
        when 'invoice_item_details' then 'invoice_item'
        when 'invoiceitem' then 'invoice_item'
        else source.type
    end as line_type,
    coalesce({{ stripe_id('source.origin', 'subscription') }}, source.subscription) as subscription_id,
    coalesce(source.origin ->> 'subscription_item', source.subscription_item) as subscription_item_id,
    coalesce(source.origin ->> 'invoice_item', source.invoice_item) as invoice_item_id,
    source.price_id,
    coalesce(source.pricing #>> '{price_details,product}', prices.product) as product_id,
    source.description,
    coalesce(source.origin -> 'proration' = 'true', source.proration, false) as is_proration,
    coalesce(source.quantity_decimal, source.quantity) as quantity,
    upper(source.currency) as currency,
    {{ stripe_amount('source.amount') }} as amount,
    {{ stripe_amount(stripe_sum('source.discount_amounts')) }} as discount_amount,
    {{ stripe_amount('coalesce(' ~ taxes | join(', ') ~ ')') }} as tax_amount,
    source.period_start as period_starts_at,
    source.period_end as period_ends_at,
    source.discounts,
    source.discount_amounts,
    source.metadata,
    source.livemode as is_live,
    source.deleted or source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from priced as source
left join prices on source._account_id = prices._account_id and source.price_id = prices.id
left join currencies on upper(source.currency) = currencies.code
