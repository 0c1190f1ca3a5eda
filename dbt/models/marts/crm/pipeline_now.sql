{{ config(materialized='view') }}

select
    account_id,
    coalesce(pipeline_id, '') as pipeline_id,
    max(pipeline_name) as pipeline_name,
    channel,
    currency,
    count(*) filter (where not is_closed) as open_deals,
    coalesce(sum(amount) filter (where not is_closed), 0)::numeric(18, 6) as open_amount,
    coalesce(
        sum({{ expected_amount('amount', 'win_probability') }}) filter (where not is_closed), 0
    )::numeric(18, 6) as open_value,
    max(home_currency) as home_currency,
    coalesce(sum(amount_home) filter (where not is_closed), 0)::numeric(18, 6) as open_amount_home,
    coalesce(
        sum({{ expected_amount('amount_home', 'win_probability') }}) filter (where not is_closed), 0
    )::numeric(18, 6) as open_value_home,
    count(*) filter (where not is_closed and amount <> 0 and (amount_home is null or win_probability is null))
        as uncounted_deals,
    count(*) filter (where is_won) as deals_won,
    count(*) filter (where is_closed) as deals_closed,
    {{ win_rate('count(*) filter (where is_won)', 'count(*) filter (where is_closed)') }} as win_rate
from {{ ref('fct_deals') }}
group by account_id, coalesce(pipeline_id, ''), channel, currency
