-- Advertising accounts of all platforms.
{% for platform, accounts, created_at in [
    ('google_ads', 'stg_google_ads__customers', 'null'),
    ('meta_ads', 'stg_meta_ads__ad_accounts', 'created_at'),
    ('linkedin_ads', 'stg_linkedin_ads__ad_accounts', 'created_at'),
] %}
select
    '{{ platform }}' as platform,
    account_id,
    account_name,
    currency,
    report_time_zone,
    account_status,
    {{ created_at }}::timestamptz as created_at,
    is_deleted
from {{ ref(accounts) }}
{% if not loop.last %}union all{% endif %}
{% endfor %}
