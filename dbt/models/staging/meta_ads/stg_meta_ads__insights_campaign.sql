with source as (
    select * from {{ source('meta_ads', 'insights_campaign') }}
),

accounts as (
    select * from {{ ref('stg_meta_ads__ad_accounts') }}
)

select
    source.account_id,
    source.campaign_id,
    source.campaign_name,
    {{ meta_ads_report_columns('source', 'accounts') }}
from source
left join accounts on source.account_id = accounts.account_id
