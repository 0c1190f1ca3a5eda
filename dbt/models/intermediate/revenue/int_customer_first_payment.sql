-- Money that was taken, not merely authorised: with this a customer begins.
select distinct on (account_id, customer_id)
    account_id,
    customer_id,
    charge_id,
    created_at as first_payment_at,
    (created_at at time zone 'UTC')::date as first_payment_day
from {{ ref('stg_stripe__charges') }}
where customer_id is not null and status = 'succeeded' and is_captured and not is_deleted
order by account_id, customer_id, created_at, charge_id
