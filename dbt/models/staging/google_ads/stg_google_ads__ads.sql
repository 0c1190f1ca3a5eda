with source as (
    select * from {{ source('google_ads', 'ads') }}
)

select
    source._account_id as account_id,
    source.campaign_id,
    source.ad_group_id,
    source.id as ad_id,
    source.ad_group_id || '~' || source.id as ad_group_ad_id,
    source.name as ad_name,
    source.type as ad_type,
    nullif(source.final_urls, 'null'::jsonb) as final_urls,
    {{ google_ads_status('source.status') }} as status,
    source.approval_status,
    {{ google_ads_is_deleted('source') }} as is_deleted,
    source._synced_at as synced_at
from source
