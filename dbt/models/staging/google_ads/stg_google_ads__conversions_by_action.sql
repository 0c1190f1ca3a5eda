with source as (
    select * from {{ source('google_ads', 'conversions_by_action') }}
),

accounts as (
    select * from {{ ref('stg_google_ads__customers') }}
)

select
    source.customer_id as account_id,
    source.campaign_id,
    source.campaign_name,
    -- The resource name: customers/<owner>/conversionActions/<id>. The owner may be a manager above the account.
    split_part(source.conversion_action, '/', 4) as conversion_action_id,
    split_part(source.conversion_action, '/', 2) as conversion_action_owner_id,
    source.conversion_action_name,
    source.conversion_action_category,
    source.date as date_day,
    source.currency_code as currency,
    accounts.report_time_zone,
    {{ google_ads_results('source') }},
    source._synced_at as synced_at
from source
left join accounts on source.customer_id = accounts.account_id
