with source as (
    select * from {{ source('hubspot', 'contacts') }}
),

merged as (
    {{ hubspot_merged('source') }}
)

select
    source._account_id as account_id,
    source.id as contact_id,
    source.email,
    source.firstname as first_name,
    source.lastname as last_name,
    source.company as company_name,
    source.country,
    source.lifecyclestage as lifecycle_stage,
    source.hs_lifecyclestage_marketingqualifiedlead_date as became_mql_at,
    source.hs_analytics_source as original_source,
    source.hs_analytics_source_data_1 as original_source_detail_1,
    source.hs_analytics_source_data_2 as original_source_detail_2,
    source.utm_source,
    source.utm_medium,
    source.utm_campaign,
    source.hs_google_click_id as google_click_id,
    source.hs_facebook_click_id as facebook_click_id,
    source.li_fat_id as linkedin_click_id,
    source.hubspot_owner_id as owner_id,
    merged.survivor_id as merged_into_contact_id,
    coalesce(source.createdate, source.created_at) as created_at,
    source.updated_at,
    source.archived_at,
    source.archived as is_archived,
    source.archived or source._deleted_at is not null or merged.survivor_id is not null as is_deleted,
    source._synced_at as synced_at
from source
left join merged on source._account_id = merged._account_id and source.id = merged.id
