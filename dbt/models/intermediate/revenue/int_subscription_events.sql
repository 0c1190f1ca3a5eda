{#- Events never change, and there are ever more of them: what was made of one is kept. A digest of the SQL that makes the
    states is part of each row, so that rows made by another version of it are made anew. -#}
{% set object_before -%}
    object || coalesce(
        -- What changed is told by its old value, at the top level as a whole.
        previous_attributes,
        -- Of an end Stripe does not tell what was before it.
        case
            when event_type <> 'customer.subscription.deleted' then '{}'
            when {{ stripe_instant('object', 'trial_end') }} > created_at then '{"status": "trialing"}'::jsonb
            else '{"status": "active"}'
        end
    )
{%- endset %}
{% set states -%}
    case
        when event_type <> 'customer.subscription.created' then {{ stripe_subscription_state('object_before') }}
    end as state_before,
    {{ stripe_subscription_state('object') }} as state_after
{%- endset %}
{% set definition = local_md5(object_before ~ states) %}
{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ forget_rows(this, '" ~ definition ~ "', ref('stg_stripe__events'), ['account_id', 'event_id']) }}",
) }}

-- Merged once for all that is read of it.
with events as materialized (
    select
        account_id,
        object_id as subscription_id,
        event_id,
        event_type,
        created_at,
        object,
        {{ object_before }} as object_before
    from {{ ref('stg_stripe__events') }} as events
    where
        object_type = 'subscription' and event_type like 'customer.subscription.%'
        {% if is_incremental() %}
        and not exists (
            select 1 from {{ this }} as known
            where known.account_id = events.account_id and known.event_id = events.event_id
        )
        {% endif %}
)

select
    account_id,
    subscription_id,
    event_id,
    event_type,
    created_at,
    {{ states }},
    '{{ definition }}' as definition
from events
