{{ config(
    materialized='incremental',
    incremental_strategy='replace_all',
    on_schema_change='append_new_columns',
    meta={'touched_days': 'days_of_spans', 'dagster': {'group': 'revenue'}},
) }}

{% set facts = [
    'customer_id', 'channel', 'product_id', 'price_id', 'quantity', 'currency', 'status', 'is_collection_paused', 'mrr',
    'uncounted', 'basis',
] %}
-- Spans in which nothing changed about an item that its MRR depends on. The last one runs on.
with rates as (
    select
        rates.*,
        coalesce(channels.channel, 'unknown') as channel
    from {{ ref('int_subscription_item_rates') }} as rates
    left join {{ ref('int_customer_channels') }} as channels
        on rates.account_id = channels.account_id and rates.customer_id = channels.customer_id
),

-- Up to here all events are known: later days are not built, and the day itself is as it is so far.
watermarks as (
    select
        account_id,
        max(watermark) as watermark
    from {{ source('dataflow', 'watermarks') }}
    where connector = 'stripe' and stream in ('events', 'subscriptions')
    group by account_id
),

compared as (
    select
        *,
        -- As one value each: what is unknown and stays so is no change.
        jsonb_build_array({{ facts | join(', ') }}, valid_from) as begin_of_span,
        jsonb_build_array(
            {%- for fact in facts %}
            lag({{ fact }}) over item,
            {%- endfor %}
            lag(valid_to) over item
        ) as end_of_span
    from rates
    window item as (partition by account_id, subscription_item_id order by valid_from)
),

numbered as (
    select
        *,
        count(*) filter (where begin_of_span <> end_of_span) over (
            partition by account_id, subscription_item_id order by valid_from
        ) as span
    from compared
)

select
    numbered.account_id,
    numbered.subscription_id,
    numbered.subscription_item_id,
    min(numbered.valid_from) as valid_from,
    max(numbered.valid_to) as valid_to,
    {%- for fact in facts if fact != 'is_collection_paused' %}
    min(numbered.{{ fact }}) as {{ fact }},
    {%- endfor %}
    bool_and(numbered.is_collection_paused) as is_collection_paused,
    (min(watermarks.watermark) at time zone 'UTC')::date as known_through
from numbered
left join watermarks on numbered.account_id = watermarks.account_id
group by numbered.account_id, numbered.subscription_id, numbered.subscription_item_id, numbered.span
