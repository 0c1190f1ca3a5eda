with source as (
    select * from {{ source('stripe', 'coupons') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source._account_id as account_id,
    source.id as coupon_id,
    source.name as coupon_name,
    source.percent_off,
    upper(source.currency) as currency,
    {{ stripe_amount('source.amount_off') }} as amount_off,
    source.duration,
    source.duration_in_months,
    source.valid as is_valid,
    source.times_redeemed,
    source.max_redemptions,
    source.redeem_by as redeemable_until,
    source.metadata,
    source.livemode as is_live,
    source.created as created_at,
    source.deleted or source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on upper(source.currency) = currencies.code
