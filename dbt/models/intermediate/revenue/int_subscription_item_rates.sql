-- What each item of a subscription brought in a month, from each moment on at which something about that changed.
with states as (
    select * from {{ ref('int_subscription_states') }}
),

subscriptions as (
    select * from {{ ref('stg_stripe__subscriptions') }}
),

prices as (
    select * from {{ ref('stg_stripe__prices') }}
),

discounts as (
    select * from {{ ref('int_discounts') }}
),

own_discounts as (
    select
        states.account_id,
        states.subscription_id,
        listed.discount_id
    from states
    cross join lateral jsonb_array_elements_text(states.discounts) as listed (discount_id)
    union
    select
        states.account_id,
        states.subscription_id,
        listed.discount_id #>> '{}' as discount_id
    from states
    cross join lateral jsonb_path_query(states.items, '$[*].discounts[*]') as listed (discount_id)
),

of_customers as (
    select
        subscriptions.account_id,
        subscriptions.subscription_id,
        discounts.discount_id
    from subscriptions
    inner join discounts
        on subscriptions.account_id = discounts.account_id and subscriptions.customer_id = discounts.customer_id
    where discounts.subscription_id is null and discounts.subscription_item_id is null
),

-- Discounts begin and end without a change of the subscription.
moments as (
    select
        account_id,
        subscription_id,
        changed_at
    from states
    union
    select
        concerned.account_id,
        concerned.subscription_id,
        limits.changed_at
    from (
        select * from own_discounts
        union
        select * from of_customers
    ) as concerned
    inner join discounts
        on concerned.account_id = discounts.account_id and concerned.discount_id = discounts.discount_id
    cross join lateral (values (discounts.starts_at), (discounts.ends_at)) as limits (changed_at)
    where limits.changed_at is not null
),

spans as (
    select
        moments.account_id,
        moments.subscription_id,
        moments.changed_at as valid_from,
        lead(moments.changed_at, 1, 'infinity') over life as valid_to,
        -- The state it is in is the last one that was told.
        max(states.changed_at) over life as told_at
    from moments
    left join states
        on
            moments.account_id = states.account_id
            and moments.subscription_id = states.subscription_id
            and moments.changed_at = states.changed_at
    window life as (partition by moments.account_id, moments.subscription_id order by moments.changed_at)
),

items as (
    select
        spans.account_id,
        spans.subscription_id,
        spans.valid_from,
        spans.valid_to,
        subscriptions.customer_id,
        states.status,
        states.is_collection_paused,
        states.basis,
        states.discounts || coalesce(item.discounts, '[]') as own_discounts,
        coalesce(item.discounts, '[]') as item_discounts,
        item.id as subscription_item_id,
        item.price as price_id,
        item.quantity,
        prices.product_id,
        coalesce(prices.currency, subscriptions.currency) as currency,
        {{ intervals_per_month('prices.billing_interval', 'prices.billing_interval_count') }} as intervals,
        {{ billed_quantity('item.quantity', 'prices.transform_quantity') }} * prices.unit_price as full_amount,
        case
            when prices.price_id is null then 'price'
            when prices.usage_type = 'metered' then 'metered'
            when prices.billing_scheme = 'tiered' then 'tiered'
            -- The price in another currency than its own is not among what is read of it.
            when prices.currency <> subscriptions.currency then 'currency'
            when prices.unit_price is null or item.quantity is null then 'price'
        end as not_counted
    from spans
    inner join subscriptions
        on spans.account_id = subscriptions.account_id and spans.subscription_id = subscriptions.subscription_id
    inner join states
        on
            spans.account_id = states.account_id
            and spans.subscription_id = states.subscription_id
            and spans.told_at = states.changed_at
    cross join
        jsonb_to_recordset(states.items) as item (id text, price text, quantity numeric, discounts jsonb)
    left join prices on spans.account_id = prices.account_id and item.price = prices.price_id
),

-- A discount of the customer is for subscriptions that have none themselves.
on_items as (
    select
        items.account_id,
        items.subscription_id,
        items.subscription_item_id,
        items.valid_from,
        items.currency,
        listed.discount_id,
        items.item_discounts ? listed.discount_id as is_of_item
    from items
    cross join lateral jsonb_array_elements_text(items.own_discounts) as listed (discount_id)
    union all
    select
        items.account_id,
        items.subscription_id,
        items.subscription_item_id,
        items.valid_from,
        items.currency,
        of_customers.discount_id,
        false as is_of_item
    from items
    inner join of_customers
        on items.account_id = of_customers.account_id and items.subscription_id = of_customers.subscription_id
    where items.own_discounts = '[]'
),

-- One that is taken off a single bill does not recur, and is no part of MRR.
in_force as (
    select
        on_items.*,
        discounts.percent_off,
        discounts.amount_off,
        discounts.duration is null or discounts.currency <> on_items.currency as is_unknown
    from on_items
    left join discounts
        on on_items.account_id = discounts.account_id and on_items.discount_id = discounts.discount_id
    where
        discounts.duration is null
        or (
            discounts.duration <> 'once'
            and discounts.starts_at <= on_items.valid_from
            and (discounts.ends_at is null or discounts.ends_at > on_items.valid_from)
        )
),

taken_off as (
    select
        account_id,
        subscription_id,
        subscription_item_id,
        valid_from,
        {{ left_after_percents('percent_off') }} as factor,
        coalesce(sum(amount_off) filter (where is_of_item and not is_unknown), 0) as item_off,
        coalesce(sum(amount_off) filter (where not is_of_item and not is_unknown), 0) as bill_off,
        bool_or(is_unknown) as has_unknown_discount
    from in_force
    group by account_id, subscription_id, subscription_item_id, valid_from
),

reduced as (
    select
        items.*,
        case
            when items.not_counted is null
                then greatest(
                    items.full_amount * coalesce(taken_off.factor, 1) - coalesce(taken_off.item_off, 0), 0
                )
        end as amount,
        coalesce(taken_off.bill_off, 0) as bill_off,
        coalesce(taken_off.has_unknown_discount, false) as has_unknown_discount
    from items
    left join taken_off
        on
            items.account_id = taken_off.account_id
            and items.subscription_id = taken_off.subscription_id
            and items.subscription_item_id = taken_off.subscription_item_id
            and items.valid_from = taken_off.valid_from
),

-- An amount off the bill is borne by its items in proportion.
shared as (
    select
        *,
        sum(amount) over (partition by account_id, subscription_id, valid_from, currency) as bill_amount
    from reduced
)

select
    account_id,
    subscription_id,
    subscription_item_id,
    valid_from,
    valid_to,
    customer_id,
    product_id,
    price_id,
    quantity,
    currency,
    status,
    is_collection_paused,
    case
        when status in ('active', 'past_due') and not is_collection_paused and not_counted is null
            then (
                amount * (1 - least(coalesce(bill_off / nullif(bill_amount, 0), 0), 1)) * intervals
            )
        else 0
    end::numeric(18, 6) as mrr,
    coalesce(not_counted, case when has_unknown_discount then 'discount' end) as uncounted,
    basis
from shared
