{#- The net of each account, day and currency is the sum of Stripe's balance transactions, in the raw table, in staging
    and in the facts; payouts and the like are left out everywhere. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_revenue_daily'}}}) }}

{% set own_money %}
    array['payout%', 'topup%', '%reserve%', 'advance%', 'anticipation%', 'financing%']
{%- endset %}
with figures as (
    select
        'raw' as layer,
        movements._account_id as account_id,
        (movements.created at time zone 'UTC')::date as date_day,
        upper(movements.currency) as currency,
        -- Stripe writes krónur and Ugandan shillings with two decimals, whatever ISO 4217 says.
        movements.net * (0.1 ^ case
            when movements.currency in ('isk', 'ugx') then 2 else currencies.exponent
        end) as net,
        1 as transactions
    from {{ source('stripe', 'balance_transactions') }} as movements
    left join {{ ref('currencies') }} as currencies on upper(movements.currency) = currencies.code
    where
        movements._deleted_at is null
        and not coalesce(movements.reporting_category, movements.type) like any({{ own_money }})
    union all
    select
        'staging' as layer,
        account_id,
        (created_at at time zone 'UTC')::date as date_day,
        currency,
        net_amount as net,
        1 as transactions
    from {{ ref('stg_stripe__balance_transactions') }}
    where
        not is_deleted
        and not coalesce(reporting_category, transaction_type) like any({{ own_money }})
    union all
    select
        'facts' as layer,
        account_id,
        date_day,
        currency,
        net,
        transactions
    from {{ ref('fct_revenue_daily') }}
),

sums as (
    select
        layer,
        account_id,
        date_day,
        currency,
        round(sum(net), 6) as net,
        sum(transactions) as transactions
    from figures
    where {{ in_build_windows('date_day') }}
    group by layer, account_id, date_day, currency
)

select
    account_id,
    date_day,
    currency,
    json_object_agg(layer, row_to_json(sums)) as sums_by_layer
from sums
-- What landed after this run had begun is carried by the next one.
where
    not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.connector = 'stripe'
            and touched.account_id = sums.account_id
            and touched.day = sums.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
group by account_id, date_day, currency
having
    count(*) <> 3
    or count(net) not in (0, 3)
    or min(net) <> max(net)
    or min(transactions) <> max(transactions)
