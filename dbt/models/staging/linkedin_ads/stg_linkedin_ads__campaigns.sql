with source as (
    select * from {{ source('linkedin_ads', 'campaigns') }}
),

accounts as (
    select * from {{ ref('stg_linkedin_ads__ad_accounts') }}
)

select
    source._account_id as account_id,
    coalesce(source.campaign_group_id, 'unknown') as campaign_id,
    source.id as ad_group_id,
    source.name as ad_group_name,
    source.campaign_group_id as linkedin_campaign_group_id,
    source.id as linkedin_campaign_id,
    source.status,
    source.serving_statuses,
    source.type as campaign_type,
    source.format as ad_format,
    source.objective_type as objective,
    source.optimization_target_type as optimization_goal,
    source.cost_type as billing_event,
    source.pacing_strategy,
    source.creative_selection,
    coalesce(
        source.daily_budget_currency, source.total_budget_currency, source.unit_cost_currency, accounts.currency
    ) as currency,
    source.unit_cost::numeric(18, 6) as bid_amount,
    source.daily_budget::numeric(18, 6) as daily_budget,
    source.total_budget::numeric(18, 6) as lifetime_budget,
    source.associated_entity as advertiser_urn,
    source.locale_country,
    source.locale_language,
    source.targeting_criteria as targeting,
    source.offsite_delivery_enabled,
    source.audience_expansion_enabled,
    source.political_intent,
    source.is_test,
    source.start_at as starts_at,
    source.end_at as stops_at,
    source.created_at,
    source.last_modified_at as updated_at,
    source._deleted_at is not null or coalesce(source.status = 'REMOVED', false) as is_deleted,
    source._synced_at as synced_at
from source
left join accounts on source._account_id = accounts.account_id
