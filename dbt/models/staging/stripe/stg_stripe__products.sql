with source as (
    select * from {{ source('stripe', 'products') }}
)

select
    _account_id as account_id,
    id as product_id,
    name as product_name,
    description,
    type as product_type,
    unit_label,
    default_price as default_price_id,
    active as is_active,
    metadata,
    livemode as is_live,
    created as created_at,
    updated as updated_at,
    deleted or _deleted_at is not null as is_deleted,
    _synced_at as synced_at
from source
