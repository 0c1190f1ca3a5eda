-- Movements of money on Stripe's balance, each with its kind and the customer behind it.
with movements as (
    select
        *,
        (created_at at time zone 'UTC')::date as date_day,
        -- The type lumps disputes, failed refunds and more together as adjustments.
        coalesce(reporting_category, transaction_type) as category
    from {{ ref('stg_stripe__balance_transactions') }}
    where not is_deleted
),

-- Read twice. Kept as one result it would be the whole table, with its invoices, for the few days that are built.
charges as not materialized (
    select
        account_id,
        charge_id,
        customer_id
    from {{ ref('stg_stripe__charges') }}
),

refunds as (
    select * from {{ ref('stg_stripe__refunds') }}
),

disputes as (
    select * from {{ ref('stg_stripe__disputes') }}
),

first_payments as (
    select * from {{ ref('int_customer_first_payment') }}
),

channels as (
    select * from {{ ref('int_customer_channels') }}
),

givebacks as (
    select
        account_id,
        refund_id as source_id,
        charge_id
    from refunds
    union all
    select
        account_id,
        dispute_id as source_id,
        charge_id
    from disputes
),

-- What can move money, and the customer of the charge that it is about.
causes as (
    select
        account_id,
        charge_id as source_id,
        customer_id
    from charges
    union all
    select
        givebacks.account_id,
        givebacks.source_id,
        charges.customer_id
    from givebacks
    inner join charges on givebacks.account_id = charges.account_id and givebacks.charge_id = charges.charge_id
)

select
    movements.account_id,
    movements.balance_transaction_id,
    movements.date_day,
    movements.created_at,
    case
        -- What was authorised and not captured, or failed after all, was never a sale.
        when movements.category in ('charge', 'payment', 'charge_failure', 'partial_capture_reversal') then 'charge'
        when movements.category in ('refund', 'refund_failure') then 'refund'
        when movements.category in ('dispute', 'dispute_reversal') then 'dispute'
        when movements.category in ('fee', 'network_cost', 'tax', 'stripe_fee') then 'fee'
        -- To and from the account's own bank, into and out of reserves, borrowed and paid back: nothing is earned.
        when movements.category ~ '^(payout|topup|advance|anticipation|financing)|reserve' then 'payout'
        else 'other'
    end as kind,
    movements.transaction_type,
    movements.reporting_category,
    movements.source_id,
    causes.customer_id,
    coalesce(channels.channel, 'unknown') as channel,
    movements.transaction_type in ('charge', 'payment') and first_payments.charge_id is not null as is_first_payment,
    movements.currency,
    movements.amount,
    movements.fee,
    movements.net_amount
from movements
left join causes on movements.account_id = causes.account_id and movements.source_id = causes.source_id
left join channels on causes.account_id = channels.account_id and causes.customer_id = channels.customer_id
left join first_payments
    on movements.account_id = first_payments.account_id and movements.source_id = first_payments.charge_id
