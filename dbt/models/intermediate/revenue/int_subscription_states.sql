-- Every moment from which on a subscription is known to have stood in some way, by the source that is right for it.
with events as (
    select * from {{ ref('int_subscription_events') }}
),

feeds as (
    select
        account_id,
        min(created_at) as begins_at
    from {{ ref('stg_stripe__events') }}
    group by account_id
),

watermarks as (
    select
        account_id,
        max(watermark) as watermark
    from {{ source('dataflow', 'watermarks') }}
    where connector = 'stripe' and stream in ('events', 'subscriptions')
    group by account_id
),

-- Within a second Stripe does not tell the order: what another event of it begins with is not its end.
lasts as (
    select distinct on (events.account_id, events.subscription_id, events.created_at)
        events.account_id,
        events.subscription_id,
        events.created_at as changed_at,
        events.state_after as state
    from events
    left join events as nexts
        on
            events.account_id = nexts.account_id
            and events.subscription_id = nexts.subscription_id
            and events.created_at = nexts.created_at
            and events.event_id <> nexts.event_id
            and events.state_after = nexts.state_before
            and nexts.state_before <> nexts.state_after
    order by
        events.account_id, events.subscription_id, events.created_at, nexts.event_id is not null,
        events.event_type = 'customer.subscription.deleted' desc,
        events.event_type = 'customer.subscription.created', events.event_id
),

firsts as (
    select distinct on (events.account_id, events.subscription_id)
        events.account_id,
        events.subscription_id,
        events.state_before,
        -- Of an end Stripe does not tell what was before it: as good as what was billed, and no better.
        events.event_type = 'customer.subscription.deleted' as is_supposed
    from events
    left join events as befores
        on
            events.account_id = befores.account_id
            and events.subscription_id = befores.subscription_id
            and events.created_at = befores.created_at
            and events.event_id <> befores.event_id
            and events.state_before = befores.state_after
            and befores.state_before <> befores.state_after
    order by
        events.account_id, events.subscription_id, events.created_at,
        events.event_type <> 'customer.subscription.created', befores.event_id is not null, events.event_id
),

items as (
    select
        account_id,
        subscription_id,
        jsonb_agg(
            jsonb_build_object(
                'id', subscription_item_id,
                'price', price_id,
                'quantity', quantity,
                'discounts', {{ stripe_ids('discounts') }}
            )
            order by subscription_item_id
        ) as items
    from {{ ref('stg_stripe__subscription_items') }}
    where not is_deleted
    group by account_id, subscription_id
),

present as (
    select
        subscriptions.account_id,
        subscriptions.subscription_id,
        subscriptions.created_at,
        feeds.begins_at,
        least(subscriptions.synced_at, coalesce(watermarks.watermark, subscriptions.synced_at)) as read_at,
        jsonb_build_object(
            'status', subscriptions.status,
            'is_paused', subscriptions.is_collection_paused,
            'discounts', {{ stripe_ids('subscriptions.discounts') }},
            'has_more', false,
            'items', coalesce(items.items, '[]')
        ) as state
    from {{ ref('stg_stripe__subscriptions') }} as subscriptions
    left join items
        on subscriptions.account_id = items.account_id and subscriptions.subscription_id = items.subscription_id
    left join feeds on subscriptions.account_id = feeds.account_id
    left join watermarks on subscriptions.account_id = watermarks.account_id
),

told as (
    select
        account_id,
        subscription_id,
        changed_at,
        state,
        'invoices' as basis,
        3 as rank
    from {{ ref('int_subscription_invoiced') }}
    union all
    -- When the feed begins: as the first event found it or, without any since, as it is now.
    select
        present.account_id,
        present.subscription_id,
        greatest(present.created_at, present.begins_at) as changed_at,
        coalesce(firsts.state_before, present.state) as state,
        case when firsts.is_supposed then 'invoices' else 'object' end as basis,
        2 as rank
    from present
    left join firsts on present.account_id = firsts.account_id and present.subscription_id = firsts.subscription_id
    where firsts.subscription_id is null or firsts.state_before is not null
    union all
    select
        account_id,
        subscription_id,
        changed_at,
        state,
        'events' as basis,
        1 as rank
    from lasts
    union all
    -- Events can be missing after a month without a sync; the last word is what was read.
    select
        account_id,
        subscription_id,
        read_at as changed_at,
        state,
        'object' as basis,
        2 as rank
    from present
)

select distinct on (told.account_id, told.subscription_id, told.changed_at)
    told.account_id,
    told.subscription_id,
    told.changed_at,
    told.state ->> 'status' as status,
    (told.state -> 'is_paused')::boolean as is_collection_paused,
    told.state -> 'discounts' as discounts,
    -- An event shows the first ten items; of the others only what they are now is known.
    told.state -> 'items' || case
        when told.state -> 'has_more' = 'true'
            then jsonb_path_query_array(
                coalesce(items.items, '[]'), '$[*] ? (!(@.id == $shown[*].id))',
                jsonb_build_object('shown', told.state -> 'items')
            )
        else '[]'
    end as items,
    told.basis
from told
left join items on told.account_id = items.account_id and told.subscription_id = items.subscription_id
order by told.account_id, told.subscription_id, told.changed_at, told.rank
