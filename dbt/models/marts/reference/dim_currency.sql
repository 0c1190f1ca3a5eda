select
    code as currency,
    name as currency_name,
    exponent::integer as exponent
from {{ ref('currencies') }}
union all
-- ISO 4217 keeps this code for "none": amounts of an account that has not been read itself.
select
    'XXX' as currency,
    'No currency' as currency_name,
    null as exponent
