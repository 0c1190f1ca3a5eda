with source as (
    select * from {{ source('google_ads', 'campaigns') }}
),

accounts as (
    select * from {{ ref('stg_google_ads__customers') }}
)

select
    source._account_id as account_id,
    source.id as campaign_id,
    source.name as campaign_name,
    {{ google_ads_status('source.status') }} as status,
    source.primary_status as effective_status,
    source.serving_status,
    source.advertising_channel_type as channel_type,
    source.advertising_channel_sub_type as channel_sub_type,
    source.bidding_strategy_type as bid_strategy,
    source.budget_id,
    accounts.currency,
    {{ micros_to_major('source.budget_amount_micros') }} as daily_budget,
    -- Google writes the wall clock of the account.
    source.start_date_time::timestamp at time zone accounts.report_time_zone as starts_at,
    source.end_date_time::timestamp at time zone accounts.report_time_zone as stops_at,
    {{ google_ads_is_deleted('source') }} as is_deleted,
    source._synced_at as synced_at
from source
left join accounts on source._account_id = accounts.account_id
