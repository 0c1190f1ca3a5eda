with source as (
    select * from {{ source('meta_ads', 'ad_accounts') }}
),

currencies as (
    select * from {{ ref('currencies') }}
)

select
    source.account_id,
    source.name as account_name,
    source.currency,
    currencies.meta_ads_exponent as currency_exponent,
    source.timezone_name as report_time_zone,
    source.account_status as account_status_code,
    case source.account_status
        when 1 then 'active'
        when 2 then 'disabled'
        when 3 then 'unsettled'
        when 7 then 'pending_risk_review'
        when 8 then 'pending_settlement'
        when 9 then 'in_grace_period'
        when 100 then 'pending_closure'
        when 101 then 'closed'
        else 'other'
    end as account_status,
    {{ minor_to_major('source.amount_spent', 'currencies.meta_ads_exponent') }} as amount_spent,
    {{ minor_to_major('source.balance', 'currencies.meta_ads_exponent') }} as balance,
    {{ minor_to_major('nullif(source.spend_cap, 0)', 'currencies.meta_ads_exponent') }} as spend_cap,
    source.created_time as created_at,
    source._deleted_at is not null as is_deleted,
    source._synced_at as synced_at
from source
left join currencies on source.currency = currencies.code
