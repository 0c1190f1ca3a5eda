with source as (
    select * from {{ source('google_ads', 'campaign_performance') }}
),

accounts as (
    select * from {{ ref('stg_google_ads__customers') }}
)

select
    source.customer_id as account_id,
    source.campaign_id,
    source.campaign_name,
    {{ google_ads_report_columns('source', 'accounts') }}
from source
left join accounts on source.customer_id = accounts.account_id
