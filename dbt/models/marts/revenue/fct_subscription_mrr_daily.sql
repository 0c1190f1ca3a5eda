{{ config(
    materialized='incremental',
    incremental_strategy='replace_range',
    on_schema_change='fail',
    full_refresh=false,
) }}

with spans as (
    select * from {{ ref('int_subscription_item_spans') }}
    where mrr <> 0 and {{ spans_build_windows('valid_from', 'valid_to') }}
),

-- The days at whose end, in UTC, a span holds, as far as events are known.
daily as (
    select
        spans.*,
        days.day::date as date_day
    from spans
    cross join {{ days_of_span('spans', 'spans') }} as days (day)
    where {{ in_build_windows('days.day::date') }}
)

select
    daily.date_day,
    daily.account_id,
    daily.subscription_item_id,
    daily.subscription_id,
    daily.customer_id,
    daily.product_id,
    daily.price_id,
    daily.channel,
    daily.quantity::numeric(18, 6) as quantity,
    daily.currency,
    daily.mrr,
    '{{ var("home_currency") }}' as home_currency,
    {{ in_home_currency('daily.mrr') }} as mrr_home,
    daily.basis
from daily
{{ join_fx('daily') }}
