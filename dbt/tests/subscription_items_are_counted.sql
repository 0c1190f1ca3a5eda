{#- Items of running subscriptions whose monthly recurring revenue is not known: what uses `uncounted` says why. -#}
{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'int_subscription_item_spans'}}}) }}

select
    account_id,
    subscription_id,
    subscription_item_id,
    uncounted
from {{ ref('int_subscription_item_spans') }}
where valid_to = 'infinity' and status in ('active', 'past_due') and not is_collection_paused and uncounted is not null
