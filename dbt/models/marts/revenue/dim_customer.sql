-- depends_on: {{ ref('int_revenue_transactions') }}
{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
    meta={'touched_days': 'days_of_customers'},
) }}

with customers as (
    select * from {{ ref('stg_stripe__customers') }}
),

channels as (
    select * from {{ ref('int_customer_channels') }}
),

first_payments as (
    select * from {{ ref('int_customer_first_payment') }}
)

-- Who was deleted before the first reading is known from payments alone.
select
    coalesce(customers.account_id, first_payments.account_id) as account_id,
    coalesce(customers.customer_id, first_payments.customer_id) as customer_id,
    customers.country,
    customers.currency,
    customers.created_at,
    channels.portal_id,
    channels.contact_id,
    coalesce(channels.channel, 'unknown') as channel,
    channels.ad_account_id,
    channels.campaign_id,
    first_payments.charge_id as first_charge_id,
    first_payments.first_payment_at,
    first_payments.first_payment_day,
    customers.is_deleted
from customers
left join channels on customers.account_id = channels.account_id and customers.customer_id = channels.customer_id
full join first_payments
    on customers.account_id = first_payments.account_id and customers.customer_id = first_payments.customer_id
