{{ config(
    materialized='incremental',
    incremental_strategy='replace_range',
    on_schema_change='fail',
    full_refresh=false,
) }}

{% set steps = ['created', 'won', 'lost'] %}
with created as (
    select
        deals.*,
        deals.created_day as date_day
    from {{ ref('fct_deals') }} as deals
    where {{ in_build_windows('deals.created_day') }}
),

closed as (
    select
        deals.*,
        deals.closed_day as date_day
    from {{ ref('fct_deals') }} as deals
    where deals.is_closed and {{ in_build_windows('deals.closed_day') }}
),

-- A deal as what happened to it on a day. The amount of a deal that is closed was converted on the day it was closed on.
steps as (
    select
        created.date_day,
        created.account_id,
        created.pipeline_id,
        created.channel,
        created.currency,
        'created' as step,
        created.amount,
        {{ in_home_currency('created.amount') }} as amount_home
    from created
    {{ join_fx('created') }}
    union all
    select
        date_day,
        account_id,
        pipeline_id,
        channel,
        currency,
        case when is_won then 'won' else 'lost' end as step,
        amount,
        amount_home
    from closed
)

select
    date_day,
    account_id,
    coalesce(pipeline_id, '') as pipeline_id,
    channel,
    currency,
    {%- for step in steps %}
    count(*) filter (where step = '{{ step }}') as deals_{{ step }},
    coalesce(sum(amount) filter (where step = '{{ step }}'), 0)::numeric(18, 6) as amount_{{ step }},
    {%- endfor %}
    '{{ var("home_currency") }}' as home_currency,
    {%- for step in steps %}
    coalesce(sum(amount_home) filter (where step = '{{ step }}'), 0)::numeric(18, 6) as amount_{{ step }}_home,
    {%- endfor %}
    count(*) filter (where amount <> 0 and amount_home is null) as unconverted_deals
from steps
where date_day is not null
group by date_day, account_id, coalesce(pipeline_id, ''), channel, currency
