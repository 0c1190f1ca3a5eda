select
    channel,
    channel_name,
    is_paid,
    is_ad_platform
from {{ ref('channels') }}
