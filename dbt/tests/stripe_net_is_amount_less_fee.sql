-- What payouts and revenue are made of: a movement whose parts do not add up was misread.
select
    balance_transaction_id,
    amount,
    fee,
    net_amount
from {{ ref('stg_stripe__balance_transactions') }}
where net_amount is distinct from amount - fee
