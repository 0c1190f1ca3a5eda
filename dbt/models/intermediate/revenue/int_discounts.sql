-- Discounts wherever Stripe has shown one as a whole: it has no list of them.
with events as (
    select
        account_id,
        event_type,
        object_type,
        object,
        previous_attributes,
        created_at
    from {{ ref('stg_stripe__events') }}
    where object_type in ('discount', 'subscription')
),

coupons as (
    select * from {{ ref('stg_stripe__coupons') }}
),

currencies as (
    select * from {{ ref('currencies') }}
),

shown as (
    select
        account_id,
        object as discount,
        case when event_type = 'customer.discount.deleted' then created_at end as removed_at
    from events
    where object_type = 'discount'
    union all
    select
        account_id,
        jsonb_array_elements(jsonb_build_array(object -> 'discount', previous_attributes -> 'discount')) as discount,
        null as removed_at
    from events
    where object_type = 'subscription'
    union all
    select
        subscriptions.account_id,
        listed.discount,
        null as removed_at
    from {{ ref('stg_stripe__subscriptions') }} as subscriptions
    cross join lateral jsonb_path_query(subscriptions.discounts, '$[*]') as listed (discount)
    union all
    select
        account_id,
        discount,
        null as removed_at
    from {{ ref('stg_stripe__customers') }}
),

told as (
    select
        account_id,
        discount ->> 'id' as discount_id,
        discount ->> 'customer' as customer_id,
        discount ->> 'subscription' as subscription_id,
        discount ->> 'subscription_item' as subscription_item_id,
        -- Since clover the coupon is at another place.
        coalesce({{ stripe_id('discount', 'source,coupon') }}, {{ stripe_id('discount', 'coupon') }}) as coupon_id,
        coalesce(
            case when jsonb_typeof(discount #> '{source,coupon}') = 'object' then discount #> '{source,coupon}' end,
            case when jsonb_typeof(discount -> 'coupon') = 'object' then discount -> 'coupon' end
        ) as coupon,
        {{ stripe_instant('discount', 'start') }} as starts_at,
        {{ stripe_instant('discount', 'end') }} as ends_at,
        removed_at
    from shown
    where discount ->> 'id' is not null
),

-- Of discounts that had ended before the first reading only invoices tell: what they took off which periods.
invoiced as (
    select
        lines.account_id,
        lines.subscription_id,
        {{ stripe_id('listed.off', 'discount') }} as discount_id,
        lines.invoice_id,
        lines.period_starts_at,
        lines.period_ends_at,
        lines.currency,
        lines.amount,
        lines.discount_amount
    from {{ ref('stg_stripe__invoice_lines') }} as lines
    cross join jsonb_path_query(lines.discount_amounts, '$[*] ? (@.amount > 0)') as listed (off)
    -- Of several on one line their shares are not looked for.
    where lines.amount > 0 and jsonb_array_length(lines.discount_amounts) = 1 and not lines.is_deleted
),

inferred as (
    select
        account_id,
        discount_id,
        currency,
        max(subscription_id) as subscription_id,
        min(period_starts_at) as starts_at,
        max(period_ends_at) as ends_at,
        -- One that is on a single invoice is taken to be for one.
        count(distinct invoice_id) > 1
        and max(discount_amount / amount) - min(discount_amount / amount) < 0.001 as is_percent,
        100 * sum(discount_amount) / sum(amount) as percent_off
    from invoiced
    group by account_id, discount_id, currency
),

source as (
    select
        account_id,
        discount_id,
        max(customer_id) as customer_id,
        max(subscription_id) as subscription_id,
        max(subscription_item_id) as subscription_item_id,
        max(coupon_id) as coupon_id,
        max(coupon ->> 'duration') as duration,
        max((coupon ->> 'percent_off')::numeric) as percent_off,
        max((coupon ->> 'amount_off')::numeric) as amount_off,
        max(coupon ->> 'currency') as currency,
        min(starts_at) as starts_at,
        -- The one announced, unless it was taken off before.
        least(max(ends_at), min(removed_at)) as ends_at
    from told
    group by account_id, discount_id
)

select
    source.account_id,
    source.discount_id,
    source.customer_id,
    source.subscription_id,
    source.subscription_item_id,
    source.coupon_id,
    -- A coupon that was deleted before the first listing is known only where a discount shows it.
    coalesce(coupons.duration, source.duration) as duration,
    coalesce(coupons.percent_off, source.percent_off) as percent_off,
    coalesce(coupons.currency, upper(source.currency)) as currency,
    coalesce(coupons.amount_off, {{ stripe_amount('source.amount_off') }}) as amount_off,
    source.starts_at,
    source.ends_at
from source
left join coupons on source.account_id = coupons.account_id and source.coupon_id = coupons.coupon_id
left join currencies on upper(source.currency) = currencies.code
union all
select
    account_id,
    discount_id,
    null as customer_id,
    subscription_id,
    null as subscription_item_id,
    null as coupon_id,
    'repeating' as duration,
    -- Bills are rounded, and coupons are mostly of whole percents.
    round(percent_off, case when abs(percent_off - round(percent_off)) < 0.05 then 0 else 2 end) as percent_off,
    null as currency,
    null as amount_off,
    starts_at,
    ends_at
from inferred
where
    is_percent
    and not exists (
        select 1 from source
        where source.account_id = inferred.account_id and source.discount_id = inferred.discount_id
    )
