-- LinkedIn's two kinds of results, summed up from its campaigns to its campaign groups, which are campaigns here.
select
    reports.account_id,
    reports.campaign_id,
    results.action,
    null::text as action_kind,
    results.attribution_window,
    reports.date_day,
    reports.currency,
    max(reports.report_time_zone) as report_time_zone,
    sum(results.conversions) as conversions,
    sum(results.conversion_value) as conversion_value
from {{ ref('stg_linkedin_ads__analytics_campaign') }} as reports
inner join lateral (
    values
    ('external_website_conversions', 'default', reports.conversions, reports.conversion_value),
    ('external_website_conversions', 'post_click', reports.post_click_conversions, null),
    ('external_website_conversions', 'post_view', reports.post_view_conversions, null),
    ('one_click_leads', 'default', reports.leads, null)
) as results (action, attribution_window, conversions, conversion_value) on true
where results.conversions <> 0 or results.conversion_value <> 0
group by
    reports.account_id,
    reports.campaign_id,
    results.action,
    results.attribution_window,
    reports.date_day,
    reports.currency
