-- Money on Stripe's balance per day and channel, signed as it moves the balance, in the currency it moved in.
-- source: marts.fct_revenue_daily
-- source_day: date_day
-- bucket: day
-- key: day, account_id, channel, currency
-- rollups: week, month
-- ratio refund_rate: refunds * -100 / gross
-- ratio fee_rate: fees * -100 / gross
-- ratio gross_per_new_customer: gross / new_customers
select
    time_bucket('1 day', date_day) as day,
    account_id,
    channel,
    currency,
    sum(gross) as gross,
    sum(refunds) as refunds,
    sum(disputes) as disputes,
    sum(fees) as fees,
    sum(other) as other,
    sum(net) as net,
    sum(transactions)::bigint as transactions,
    sum(new_customers)::bigint as new_customers,
    count(*) as source_rows
from marts.fct_revenue_daily
group by 1, 2, 3, 4
