{#- Every figure that the platforms list for a campaign, day, action and window is in the fact, and nothing else is. Read
    from the raw tables by another way than the models', so that a slip in one shows. -#}
{{ config(meta={'dagster': {'ref': {'name': 'fct_conversions_daily'}}}) }}

with listed as (
    select
        'google_ads' as platform,
        customer_id as account_id,
        campaign_id,
        split_part(conversion_action, '/', 4) as action,
        'default' as attribution_window,
        date as date_day,
        conversions::numeric(18, 6) as conversions,
        conversions_value::numeric(18, 6) as conversion_value
    from {{ source('google_ads', 'conversions_by_action') }}
    where {{ in_build_windows('date') }}
    {%- for measure, list in [('conversions', 'actions'), ('conversion_value', 'action_values')] %}
    union all
    select
        'meta_ads' as platform,
        reports.account_id,
        reports.campaign_id,
        entry.item ->> 'action_type' as action,
        case figure.name when 'value' then 'default' else figure.name end as attribution_window,
        reports.date_start as date_day,
        {{ 'figure.value::numeric' if measure == 'conversions' else 'null' }} as conversions,
        {{ 'figure.value::numeric' if measure == 'conversion_value' else 'null' }} as conversion_value
    from {{ source('meta_ads', 'insights_campaign') }} as reports
    cross join lateral jsonb_path_query(reports.{{ list }}, '$[*]') as entry (item)
    cross join lateral jsonb_each_text(entry.item - 'action_type') as figure (name, value)
    where {{ in_build_windows('reports.date_start') }}
    {%- endfor %}
    {%- for action, attribution_window, count, value in [
        (
            'external_website_conversions', 'default', 'external_website_conversions',
            'conversion_value_in_local_currency::numeric(18, 6)',
        ),
        ('external_website_conversions', 'post_click', 'external_website_post_click_conversions', 'null'),
        ('external_website_conversions', 'post_view', 'external_website_post_view_conversions', 'null'),
        ('one_click_leads', 'default', 'one_click_leads', 'null'),
    ] %}
    union all
    select
        'linkedin_ads' as platform,
        reports._account_id as account_id,
        coalesce(campaigns.campaign_group_id, 'unknown') as campaign_id,
        '{{ action }}' as action,
        '{{ attribution_window }}' as attribution_window,
        reports.date as date_day,
        reports.{{ count }} as conversions,
        {{ 'reports.' if value != 'null' }}{{ value }} as conversion_value
    from {{ source('linkedin_ads', 'analytics_campaign') }} as reports
    left join {{ source('linkedin_ads', 'campaigns') }} as campaigns
        on reports._account_id = campaigns._account_id and reports.campaign_id = campaigns.id
    where {{ in_build_windows('reports.date') }}
    {%- endfor %}
),

raw_figures as (
    select
        platform,
        account_id,
        campaign_id,
        action,
        attribution_window,
        date_day,
        sum(conversions) as conversions,
        sum(conversion_value) as conversion_value
    from listed
    group by platform, account_id, campaign_id, action, attribution_window, date_day
    having platform <> 'linkedin_ads' or sum(conversions) <> 0 or sum(conversion_value) <> 0
),

facts as (
    select * from {{ ref('fct_conversions_daily') }}
    where {{ in_build_windows('date_day') }}
),

compared as (
    select
        coalesce(facts.platform, raw_figures.platform) as platform,
        coalesce(facts.account_id, raw_figures.account_id) as account_id,
        coalesce(facts.campaign_id, raw_figures.campaign_id) as campaign_id,
        coalesce(facts.action, raw_figures.action) as action,
        coalesce(facts.attribution_window, raw_figures.attribution_window) as attribution_window,
        coalesce(facts.date_day, raw_figures.date_day) as date_day,
        facts.is_counted,
        raw_figures.platform is not null as is_listed,
        raw_figures.conversions as listed_conversions,
        raw_figures.conversion_value as listed_value,
        facts.conversions,
        facts.conversion_value
    from raw_figures
    full join facts
        on
            raw_figures.platform = facts.platform
            and raw_figures.account_id = facts.account_id
            and raw_figures.campaign_id = facts.campaign_id
            and raw_figures.action = facts.action
            and raw_figures.attribution_window = facts.attribution_window
            and raw_figures.date_day = facts.date_day
)

select compared.*
from compared
where
    (
        compared.is_counted is null
        or not compared.is_listed
        -- The row that stands for an event has a figure that Meta lists under another of its names only.
        or (
            coalesce(compared.listed_conversions, 0) <> compared.conversions
            and not (compared.is_counted and compared.listed_conversions is null)
        )
        or (
            coalesce(compared.listed_value, 0) <> compared.conversion_value
            and not (compared.is_counted and compared.listed_value is null)
        )
    )
    -- What landed after this run had begun is carried by the next one.
    and not exists (
        select from {{ source('dataflow', 'touched_days') }} as touched
        where
            touched.layer = 'raw'
            and touched.connector = compared.platform
            and touched.account_id = compared.account_id
            and touched.day = compared.date_day
            and touched.touched_at > '{{ run_started_at }}'
    )
