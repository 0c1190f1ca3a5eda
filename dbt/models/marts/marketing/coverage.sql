with watermarks as (
    select * from {{ source('dataflow', 'watermarks') }}
),

accounts as (
    select
        'meta_ads' as platform,
        account_id,
        report_time_zone
    from {{ ref('stg_meta_ads__ad_accounts') }}
)

select
    watermarks.connector as platform,
    watermarks.account_id,
    watermarks.stream,
    accounts.report_time_zone,
    (watermarks.complete_from at time zone accounts.report_time_zone)::date as complete_from,
    -- The watermark is where knowledge ends: the day it lies in is not over.
    (watermarks.watermark at time zone accounts.report_time_zone)::date - 1 as complete_through,
    watermarks.settled_through,
    watermarks.watermark
from watermarks
left join accounts
    on watermarks.connector = accounts.platform and watermarks.account_id = accounts.account_id
