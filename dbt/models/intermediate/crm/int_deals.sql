-- Deals with the names behind their ids, the channel of their earliest contact, and amounts in the home currency.
with deals as (
    select
        *,
        (created_at at time zone 'UTC')::date as created_day,
        (closes_at at time zone 'UTC')::date as closes_day
    from {{ ref('stg_hubspot__deals') }}
),

stages as (
    select * from {{ ref('stg_hubspot__pipeline_stages') }}
),

pipelines as (
    select * from {{ ref('stg_hubspot__pipelines') }}
),

owners as (
    select * from {{ ref('stg_hubspot__owners') }}
),

links as (
    select * from {{ ref('stg_hubspot__deal_contacts') }}
),

contacts as (
    select * from {{ ref('int_contact_first_touch') }}
),

-- A contact that is gone tells where its deal came from only when no other does.
first_contacts as (
    select distinct on (links.account_id, links.deal_id)
        links.account_id,
        links.deal_id,
        contacts.contact_id,
        contacts.channel,
        contacts.ad_account_id,
        contacts.campaign_id
    from links
    inner join contacts on links.account_id = contacts.account_id and links.contact_id = contacts.contact_id
    where not links.is_deleted
    order by links.account_id, links.deal_id, contacts.is_deleted, contacts.created_at, contacts.contact_id
),

named as (
    select
        deals.account_id,
        deals.deal_id,
        deals.deal_name,
        deals.deal_type,
        deals.pipeline_id,
        pipelines.pipeline_name,
        deals.stage_id,
        stages.stage_name,
        stages.win_probability,
        deals.owner_id,
        owners.owner_name,
        deals.amount::numeric(18, 6) as amount,
        coalesce(deals.currency, nullif('{{ var("hubspot_currency") }}', ''), 'XXX') as currency,
        deals.created_at,
        deals.created_day,
        deals.closes_at,
        deals.closes_day,
        coalesce(deals.is_closed, stages.is_closed, false) as is_closed,
        coalesce(deals.is_won, stages.is_won, false) as is_won,
        first_contacts.contact_id,
        coalesce(first_contacts.channel, 'unknown') as channel,
        first_contacts.ad_account_id,
        first_contacts.campaign_id,
        deals.is_deleted
    from deals
    left join stages
        on
            deals.account_id = stages.account_id
            and deals.pipeline_id = stages.pipeline_id
            and deals.stage_id = stages.stage_id
    left join pipelines on deals.account_id = pipelines.account_id and deals.pipeline_id = pipelines.pipeline_id
    left join owners on deals.account_id = owners.account_id and deals.owner_id = owners.owner_id
    left join first_contacts on deals.account_id = first_contacts.account_id and deals.deal_id = first_contacts.deal_id
),

dated as (
    select
        *,
        case when is_closed then closes_day end as closed_day,
        case when is_closed then coalesce(closes_day, created_day) else created_day end as rate_day
    from named
)

select
    dated.account_id,
    dated.deal_id,
    dated.deal_name,
    dated.deal_type,
    dated.pipeline_id,
    dated.pipeline_name,
    dated.stage_id,
    dated.stage_name,
    dated.win_probability,
    dated.owner_id,
    dated.owner_name,
    dated.currency,
    dated.amount,
    {{ in_home_currency('dated.amount') }} as amount_home,
    dated.is_closed,
    dated.is_won,
    dated.created_at,
    dated.created_day,
    dated.closed_day,
    dated.closed_day - dated.created_day as days_to_close,
    dated.contact_id,
    dated.channel,
    dated.ad_account_id,
    dated.campaign_id,
    dated.is_deleted
from dated
{{ join_fx('dated', day='rate_day') }}
