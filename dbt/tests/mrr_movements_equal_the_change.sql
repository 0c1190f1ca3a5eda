{#- For each subscription and month the movements are the change of its monthly recurring revenue, which at both ends is the
    sum of its items on those days. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_subscription_mrr_daily'}}}) }}

{% set moves, moves_home = ['opening_mrr'], ['opening_mrr_home', 'revaluation_home'] %}
{% for move in ['new', 'expansion', 'contraction', 'churned', 'reactivation'] %}
{% do moves.append(move ~ '_mrr') %}
{% do moves_home.append(move ~ '_mrr_home') %}
{% endfor %}
with movements as (
    select
        *,
        {{ moves | join(' + ') }} as moved_mrr,
        {{ moves_home | join(' + ') }} as moved_mrr_home
    from {{ ref('fct_mrr_movements') }}
    where {{ in_build_windows('closing_day') }}
),

daily as (
    select
        date_day,
        account_id,
        subscription_id,
        currency,
        sum(mrr) as mrr,
        sum(mrr_home) as mrr_home
    from {{ ref('fct_subscription_mrr_daily') }}
    where {{ in_build_windows('date_day') }}
    group by date_day, account_id, subscription_id, currency
),

last_days as (
    select
        account_id,
        max(known_through) as known_through
    from {{ ref('int_subscription_item_spans') }}
    group by account_id
),

month_ends as (
    select daily.*
    from daily
    inner join last_days on daily.account_id = last_days.account_id
    where
        daily.date_day = (date_trunc('month', daily.date_day::timestamp) + interval '1 month')::date - 1
        or daily.date_day = last_days.known_through
)

select
    coalesce(movements.account_id, month_ends.account_id) as account_id,
    coalesce(movements.subscription_id, month_ends.subscription_id) as subscription_id,
    coalesce(movements.closing_day, month_ends.date_day) as closing_day,
    movements.opening_mrr,
    movements.closing_mrr,
    month_ends.mrr
from movements
full join month_ends
    on
        movements.account_id = month_ends.account_id
        and movements.subscription_id = month_ends.subscription_id
        and movements.currency = month_ends.currency
        and movements.closing_day = month_ends.date_day
where
    (
        coalesce(movements.closing_mrr, 0) <> coalesce(month_ends.mrr, 0)
        -- Each item is rounded there, and their sum here.
        or abs(movements.closing_mrr_home - month_ends.mrr_home) > 0.001
        or movements.closing_mrr <> movements.moved_mrr
        or movements.closing_mrr_home <> movements.moved_mrr_home
    )
    -- What a table told after this run had begun is carried by the next one.
    and not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.day = coalesce(movements.closing_day, month_ends.date_day)
            and touched.touched_at > '{{ run_started_at }}'
    )
