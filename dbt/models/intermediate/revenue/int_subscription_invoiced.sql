-- How subscriptions stood before the first event that was read, as far as their invoices tell.
with feeds as (
    select
        account_id,
        min(created_at) as begins_at
    from {{ ref('stg_stripe__events') }}
    group by account_id
),

-- Those that there were by then.
subscriptions as (
    select
        subscriptions.*,
        feeds.begins_at as known_from
    from {{ ref('stg_stripe__subscriptions') }} as subscriptions
    inner join feeds on subscriptions.account_id = feeds.account_id
    where subscriptions.created_at < feeds.begins_at
),

invoices as (
    select * from {{ ref('stg_stripe__invoices') }}
    where not is_deleted
),

lines as (
    select
        lines.account_id,
        lines.subscription_id,
        lines.subscription_item_id,
        lines.period_starts_at as changed_at,
        lines.price_id,
        lines.quantity,
        lines.is_proration,
        -- What a correction gives back is what there was before it.
        lines.is_proration and lines.amount < 0 as is_given_back
    from {{ ref('stg_stripe__invoice_lines') }} as lines
    inner join subscriptions
        on
            lines.account_id = subscriptions.account_id
            and lines.subscription_id = subscriptions.subscription_id
            and lines.period_starts_at < subscriptions.known_from
    where lines.subscription_item_id is not null and not lines.is_deleted
),

-- From when on an item had a price and quantity; where it was taken out, it has none.
held_from as (
    select distinct on (account_id, subscription_id, subscription_item_id, changed_at)
        account_id,
        subscription_id,
        subscription_item_id,
        changed_at,
        price_id,
        case when not is_given_back then quantity end as quantity
    from lines
    order by account_id, subscription_id, subscription_item_id, changed_at, is_given_back, is_proration
),

compared as (
    select
        *,
        lag(price_id) over item as price_before,
        lag(quantity) over item as quantity_before
    from held_from
    window item as (partition by account_id, subscription_id, subscription_item_id order by changed_at)
),

-- Most periods only go on with what was before them.
items as (
    select *
    from compared
    where price_before is null or price_before <> price_id or quantity_before is distinct from quantity
),

firsts as (
    select
        account_id,
        subscription_id,
        min(paid_at) as paid_at
    from invoices
    where billing_reason = 'subscription_create'
    group by account_id, subscription_id
),

-- Invoices that a pause keeps from being collected.
uncollected as (
    select
        account_id,
        subscription_id,
        created_at,
        max(paid_at) over (partition by account_id, subscription_id) as last_paid_at,
        status
    from invoices
),

pauses as (
    select
        account_id,
        subscription_id,
        min(created_at) as paused_at
    from uncollected
    where status in ('draft', 'void', 'uncollectible') and (last_paid_at is null or created_at > last_paid_at)
    group by account_id, subscription_id
),

failures as (
    select
        invoices.account_id,
        invoices.subscription_id,
        max(charges.created_at) as unpaid_at
    from {{ ref('stg_stripe__charges') }} as charges
    inner join invoices on charges.account_id = invoices.account_id and charges.invoice_id = invoices.invoice_id
    inner join subscriptions
        on
            invoices.account_id = subscriptions.account_id
            and invoices.subscription_id = subscriptions.subscription_id
            and charges.created_at < subscriptions.known_from
    where charges.status = 'failed'
    group by invoices.account_id, invoices.subscription_id
),

first_events as (
    select distinct on (account_id, subscription_id)
        account_id,
        subscription_id,
        coalesce(state_before, state_after) as state
    from {{ ref('int_subscription_events') }}
    order by account_id, subscription_id, created_at, event_type <> 'customer.subscription.created', event_id
),

lives as (
    select
        subscriptions.account_id,
        subscriptions.subscription_id,
        subscriptions.created_at,
        subscriptions.known_from,
        subscriptions.trial_starts_at,
        subscriptions.trial_ends_at,
        subscriptions.ended_at,
        case
            when subscriptions.trial_starts_at is not null then subscriptions.created_at
            when subscriptions.status = 'incomplete_expired' then null
            when subscriptions.collection_method = 'send_invoice' then subscriptions.created_at
            when firsts.subscription_id is null then subscriptions.created_at
            else firsts.paid_at
        end as activated_at,
        case
            when coalesce(first_events.state ->> 'status', subscriptions.status) = 'unpaid' then failures.unpaid_at
        end as unpaid_at,
        case
            when coalesce(first_events.state -> 'is_paused' = 'true', subscriptions.is_collection_paused)
                then pauses.paused_at
        end as paused_at
    from subscriptions
    left join firsts
        on
            subscriptions.account_id = firsts.account_id
            and subscriptions.subscription_id = firsts.subscription_id
    left join failures
        on
            subscriptions.account_id = failures.account_id
            and subscriptions.subscription_id = failures.subscription_id
    left join pauses
        on
            subscriptions.account_id = pauses.account_id
            and subscriptions.subscription_id = pauses.subscription_id
    left join first_events
        on
            subscriptions.account_id = first_events.account_id
            and subscriptions.subscription_id = first_events.subscription_id
),

steps as (
    select
        account_id,
        subscription_id,
        created_at,
        known_from,
        unnest(array[created_at, trial_ends_at, activated_at, unpaid_at, paused_at, ended_at]) as changed_at
    from lives
),

moments as (
    select
        account_id,
        subscription_id,
        changed_at
    from steps
    where changed_at >= created_at and changed_at < known_from
    union
    select
        account_id,
        subscription_id,
        changed_at
    from items
),

held as (
    select distinct on (
        moments.account_id, moments.subscription_id, moments.changed_at, items.subscription_item_id
    )
        moments.account_id,
        moments.subscription_id,
        moments.changed_at,
        items.subscription_item_id,
        items.price_id,
        items.quantity
    from moments
    inner join items
        on
            moments.account_id = items.account_id
            and moments.subscription_id = items.subscription_id
            and moments.changed_at >= items.changed_at
    order by
        moments.account_id, moments.subscription_id, moments.changed_at, items.subscription_item_id,
        items.changed_at desc
),

held_lists as (
    select
        account_id,
        subscription_id,
        changed_at,
        jsonb_agg(
            jsonb_build_object(
                'id', subscription_item_id, 'price', price_id, 'quantity', quantity, 'discounts', '[]'::jsonb
            )
            order by subscription_item_id
        ) as items
    from held
    where quantity is not null
    group by account_id, subscription_id, changed_at
),

discount_lists as (
    select
        moments.account_id,
        moments.subscription_id,
        moments.changed_at,
        jsonb_agg(discounts.discount_id order by discounts.starts_at, discounts.discount_id) as discounts
    from moments
    inner join {{ ref('int_discounts') }} as discounts
        on
            moments.account_id = discounts.account_id
            and moments.subscription_id = discounts.subscription_id
            and moments.changed_at >= discounts.starts_at
    group by moments.account_id, moments.subscription_id, moments.changed_at
)

select
    lives.account_id,
    lives.subscription_id,
    moments.changed_at,
    jsonb_build_object(
        'status', case
            when lives.ended_at <= moments.changed_at then 'canceled'
            when moments.changed_at >= lives.trial_starts_at and moments.changed_at < lives.trial_ends_at
                then 'trialing'
            when lives.unpaid_at <= moments.changed_at then 'unpaid'
            when lives.activated_at <= moments.changed_at then 'active'
            else 'incomplete'
        end,
        'is_paused', coalesce(lives.paused_at <= moments.changed_at, false),
        'discounts', coalesce(discount_lists.discounts, '[]'),
        'has_more', false,
        'items', coalesce(held_lists.items, '[]')
    ) as state
from moments
inner join lives on moments.account_id = lives.account_id and moments.subscription_id = lives.subscription_id
left join held_lists
    on
        moments.account_id = held_lists.account_id
        and moments.subscription_id = held_lists.subscription_id
        and moments.changed_at = held_lists.changed_at
left join discount_lists
    on
        moments.account_id = discount_lists.account_id
        and moments.subscription_id = discount_lists.subscription_id
        and moments.changed_at = discount_lists.changed_at
