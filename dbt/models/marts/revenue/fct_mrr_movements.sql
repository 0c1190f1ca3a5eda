{{ config(materialized='view') }}

{#- Each movement as an expression of what was and what is; with their signs they add up to the change. -#}
{% set movements = {
    'new': 'case when ends.opening_mrr = 0 and ends.first_day >= ends.month then ends.closing_mrr else 0 end',
    'expansion': 'case when ends.opening_mrr > 0 then greatest(ends.closing_mrr - ends.opening_mrr, 0) else 0 end',
    'contraction': 'case when ends.closing_mrr > 0 then least(ends.closing_mrr - ends.opening_mrr, 0) else 0 end',
    'churned': 'case when ends.closing_mrr = 0 then -ends.opening_mrr else 0 end',
    'reactivation': 'case when ends.opening_mrr = 0 and ends.first_day < ends.month then ends.closing_mrr else 0 end',
} %}
{% set keys = [
    'account_id', 'subscription_id', 'customer_id', 'channel', 'currency', 'first_day', 'month', 'opening_day',
    'closing_day',
] %}
with spans as (
    select
        account_id,
        subscription_id,
        customer_id,
        channel,
        currency,
        mrr,
        known_through,
        (valid_from at time zone 'UTC')::date as first_day,
        -- The last day at whose end it holds.
        (valid_to at time zone 'UTC')::date - 1 as last_day
    from {{ ref('int_subscription_item_spans') }}
    where mrr <> 0 and (valid_from at time zone 'UTC')::date <= known_through
),

subscriptions as (
    select
        account_id,
        subscription_id,
        currency,
        -- As they are now, or were last.
        (array_agg(customer_id order by last_day desc))[1] as customer_id,
        (array_agg(channel order by last_day desc))[1] as channel,
        min(first_day) as first_day,
        max(last_day) as last_day,
        max(known_through) as known_through
    from spans
    group by account_id, subscription_id, currency
),

months as (
    select
        subscriptions.account_id,
        subscriptions.subscription_id,
        subscriptions.customer_id,
        subscriptions.channel,
        subscriptions.currency,
        subscriptions.first_day,
        months.month::date as month,
        months.month::date - 1 as opening_day,
        least((months.month + interval '1 month')::date - 1, subscriptions.known_through) as closing_day
    from subscriptions
    cross join
        generate_series(
            date_trunc('month', subscriptions.first_day::timestamp),
            -- The month after the last is the one it is missed in.
            least(subscriptions.last_day + 1, subscriptions.known_through)::timestamp,
            interval '1 month'
        ) as months (month)
),

ends as (
    select
        {%- for end in ['opening', 'closing'] %}
        coalesce(
            sum(spans.mrr) filter (where months.{{ end }}_day between spans.first_day and spans.last_day), 0
        )::numeric(18, 6) as {{ end }}_mrr,
        {%- endfor %}
        months.{{ keys | join(',\n        months.') }}
    from months
    inner join spans
        on
            months.account_id = spans.account_id
            and months.subscription_id = spans.subscription_id
            and months.currency = spans.currency
    group by months.{{ keys | join(', months.') }}
),

moved as (
    select
        {%- for movement, amount in movements.items() %}
        ({{ amount }})::numeric(18, 6) as {{ movement }}_mrr,
        {%- endfor %}
        ends.*
    from ends
    where ends.opening_mrr <> 0 or ends.closing_mrr <> 0
)

select
    moved.month,
    moved.account_id,
    moved.subscription_id,
    moved.customer_id,
    moved.channel,
    moved.closing_day,
    moved.currency,
    moved.opening_mrr,
    {%- for movement in movements %}
    moved.{{ movement }}_mrr,
    {%- endfor %}
    moved.closing_mrr,
    '{{ var("home_currency") }}' as home_currency,
    case
        when moved.opening_mrr = 0 then 0 else {{ in_home_currency('moved.opening_mrr', 'opening_fx') }}
    end::numeric(18, 6) as opening_mrr_home,
    {%- for movement in movements %}
    {{ in_home_currency('moved.' ~ movement ~ '_mrr') }} as {{ movement }}_mrr_home,
    {%- endfor %}
    -- What is left over: the same revenue is worth something else at another rate.
    (
        {{ in_home_currency('moved.closing_mrr') }}
        - case
            when moved.opening_mrr = 0 then 0 else {{ in_home_currency('moved.opening_mrr', 'opening_fx') }}
        end
        {%- for movement in movements %}
        - {{ in_home_currency('moved.' ~ movement ~ '_mrr') }}
        {%- endfor %}
    )::numeric(18, 6) as revaluation_home,
    {{ in_home_currency('moved.closing_mrr') }} as closing_mrr_home
from moved
{{ join_fx('moved', day='closing_day') }}
{{ join_fx('moved', day='opening_day', alias='opening_fx') }}
