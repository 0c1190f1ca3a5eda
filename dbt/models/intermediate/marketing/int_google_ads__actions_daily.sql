-- What each conversion action brought a campaign on the day of the click. Only primary actions have conversions.
select
    account_id,
    campaign_id,
    conversion_action_id as action,
    max(conversion_action_category) as action_kind,
    'default' as attribution_window,
    date_day,
    currency,
    max(report_time_zone) as report_time_zone,
    sum(conversions) as conversions,
    sum(conversion_value) as conversion_value
from {{ ref('stg_google_ads__conversions_by_action') }}
-- An action of an account and one of the manager above it are told apart by their owners; nothing says their ids are.
group by account_id, campaign_id, conversion_action_id, date_day, currency
