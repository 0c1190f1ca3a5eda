-- Each level from its own report: Performance Max has no ads, so no level can be derived from another.
{{ performance_level('google_ads', 'campaign', ref('stg_google_ads__campaign_performance')) }}
union all
{{ performance_level('google_ads', 'ad_group', ref('stg_google_ads__ad_group_performance')) }}
union all
-- The same ad can stand in several ad groups.
{{ performance_level('google_ads', 'ad', ref('stg_google_ads__ad_performance'), entity_id='ad_group_ad_id') }}
