-- Where each customer came from: the contact with the same e-mail address tells, the earliest when there are several.
with customers as (
    select * from {{ ref('stg_stripe__customers') }}
),

contacts as (
    select distinct on (email)
        email,
        account_id,
        contact_id,
        channel,
        ad_account_id,
        campaign_id
    from {{ ref('int_contact_first_touch') }}
    where email <> ''
    -- A contact that is gone tells only when no other does.
    order by email, is_deleted, created_at, account_id, contact_id
)

select
    customers.account_id,
    customers.customer_id,
    contacts.account_id as portal_id,
    contacts.contact_id,
    coalesce(contacts.channel, 'unknown') as channel,
    contacts.ad_account_id,
    contacts.campaign_id
from customers
left join contacts on lower(trim(customers.email)) = contacts.email
