with watermarks as (
    select * from {{ source('dataflow', 'watermarks') }}
),

ad_accounts as (
    select * from {{ ref('int_ad_accounts') }}
),

zoned as (
    select
        watermarks.connector as platform,
        watermarks.account_id,
        watermarks.stream,
        -- CRM and billing are read by the instant of a change, in UTC.
        case when watermarks.connector in ('hubspot', 'stripe') then 'UTC' else ad_accounts.report_time_zone end
            as report_time_zone,
        watermarks.complete_from,
        watermarks.settled_through,
        watermarks.watermark
    from watermarks
    left join ad_accounts
        on watermarks.connector = ad_accounts.platform and watermarks.account_id = ad_accounts.account_id
)

select
    platform,
    account_id,
    stream,
    report_time_zone,
    (complete_from at time zone report_time_zone)::date as complete_from,
    -- The watermark is where knowledge ends: the day it lies in is not over.
    (watermark at time zone report_time_zone)::date - 1 as complete_through,
    settled_through,
    watermark
from zoned
