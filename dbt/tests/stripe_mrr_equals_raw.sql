{#- On the last day that is known the monthly recurring revenue of each item is what the subscriptions and items themselves
    say, by a way of its own: without events, invoices and spans. Those with discounts are left to the tests of the sandbox. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_subscription_mrr_daily'}}}) }}

with last_days as (
    select
        account_id,
        max(known_through) as date_day
    from {{ ref('int_subscription_item_spans') }}
    group by account_id
),

held as (
    select
        last_days.account_id,
        last_days.date_day,
        items.id as subscription_item_id,
        case
            when subscriptions.status in ('active', 'past_due') and subscriptions.pause_collection is null
                then round(
                    items.quantity * coalesce(items.unit_amount_decimal, items.unit_amount)
                    * (0.1 ^ case when items.currency in ('isk', 'ugx') then 2 else currencies.exponent end)
                    * case items.recurring_interval
                        when 'day' then 365 when 'week' then 52 when 'month' then 12 else 1
                    end / (12 * items.recurring_interval_count),
                    6
                )
            else 0
        end as mrr
    from last_days
    inner join {{ source('stripe', 'subscription_items') }} as items on last_days.account_id = items._account_id
    inner join {{ source('stripe', 'subscriptions') }} as subscriptions
        on items._account_id = subscriptions._account_id and items.subscription = subscriptions.id
    inner join {{ source('stripe', 'customers') }} as customers
        on subscriptions._account_id = customers._account_id and subscriptions.customer = customers.id
    inner join {{ ref('currencies') }} as currencies on upper(items.currency) = currencies.code
    where
        not items.deleted
        and items._deleted_at is null
        and items.recurring_usage_type = 'licensed'
        and items.billing_scheme = 'per_unit'
        and items.transform_quantity is null
        and items.currency = subscriptions.currency
        and coalesce(subscriptions.discounts, '[]') = '[]'
        and coalesce(items.discounts, '[]') = '[]'
        and subscriptions.discount is null
        and customers.discount is null
)

select
    held.account_id,
    held.date_day,
    held.subscription_item_id,
    held.mrr as held,
    facts.mrr as found
from held
left join {{ ref('fct_subscription_mrr_daily') }} as facts
    on
        held.date_day = facts.date_day
        and held.account_id = facts.account_id
        and held.subscription_item_id = facts.subscription_item_id
where
    {{ in_build_windows('held.date_day') }}
    and held.mrr <> coalesce(facts.mrr, 0)
    -- What landed after this run had begun is carried by the next one.
    and not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.day = held.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
