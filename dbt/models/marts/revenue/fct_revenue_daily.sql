{{ config(
    materialized='incremental',
    incremental_strategy='replace_range',
    on_schema_change='fail',
    full_refresh=false,
) }}

{% set parts = ['gross', 'refunds', 'disputes', 'fees', 'other', 'net'] %}
with transactions as (
    select *
    from {{ ref('int_revenue_transactions') }}
    where kind <> 'payout' and {{ in_build_windows('date_day') }}
),

daily as (
    select
        date_day,
        account_id,
        currency,
        channel,
        {%- for part, kind in [
            ('gross', 'charge'), ('refunds', 'refund'), ('disputes', 'dispute'), ('other', 'other')
        ] %}
        sum({{ amount_of_kind('amount', kind) }})::numeric(18, 6) as {{ part }},
        {%- endfor %}
        sum({{ amount_of_kind('amount', 'fee') }} - fee)::numeric(18, 6) as fees,
        sum(net_amount)::numeric(18, 6) as net,
        count(*) as transactions,
        count(*) filter (where is_first_payment) as new_customers
    from transactions
    group by date_day, account_id, currency, channel
)

select
    daily.date_day,
    daily.account_id,
    daily.currency,
    daily.channel,
    {%- for part in parts %}
    daily.{{ part }},
    {%- endfor %}
    '{{ var("home_currency") }}' as home_currency,
    {%- for part in parts %}
    {{ in_home_currency('daily.' ~ part) }} as {{ part }}_home,
    {%- endfor %}
    daily.transactions,
    case when {{ in_home_currency('daily.net') }} is null then daily.transactions else 0 end
        as unconverted_transactions,
    daily.new_customers
from daily
{{ join_fx('daily') }}
