with source as (
    select * from {{ source('linkedin_ads', 'creatives') }}
),

ad_groups as (
    select * from {{ ref('stg_linkedin_ads__campaigns') }}
)

select
    source._account_id as account_id,
    coalesce(ad_groups.campaign_id, 'unknown') as campaign_id,
    coalesce(source.campaign_id, 'unknown') as ad_group_id,
    source.id as ad_id,
    source.name as ad_name,
    ad_groups.linkedin_campaign_group_id,
    source.campaign_id as linkedin_campaign_id,
    source.id as linkedin_creative_id,
    source.intended_status as status,
    source.is_serving,
    source.serving_hold_reasons,
    source.review_status,
    source.review_rejection_reasons,
    source.content ->> 'reference' as post_urn,
    source.content #>> '{textAd,landingPage}' as landing_page_url,
    source.content,
    source.is_test,
    source.created_at,
    source.last_modified_at as updated_at,
    source._deleted_at is not null or coalesce(source.intended_status = 'REMOVED', false) as is_deleted,
    source._synced_at as synced_at
from source
left join ad_groups
    on source._account_id = ad_groups.account_id and source.campaign_id = ad_groups.ad_group_id
