-- Facts that put advertising, CRM and billing side by side, made here for the reason told in 020_marts_marketing.sql.

create table if not exists marts.fct_blended_efficiency_daily (
    date_day date not null,
    channel text not null,
    home_currency text not null,
    spend_home numeric(18, 6) not null,
    impressions bigint not null,
    clicks bigint not null,
    claimed_conversions numeric(18, 6) not null,
    claimed_conversion_value_home numeric(18, 6) not null,
    new_contacts bigint not null,
    deals_won bigint not null,
    deals_won_amount_home numeric(18, 6) not null,
    new_customers bigint not null,
    net_revenue_home numeric(18, 6) not null,
    cac numeric(38, 6),
    claimed_roas numeric(38, 6) not null,
    actual_roas numeric(38, 6) not null,
    unconverted_amounts bigint not null,
    new_mrr_home numeric(18, 6) not null default 0,
    payback_months numeric(38, 6),
    primary key (date_day, channel)
);
-- In a database of before.
alter table marts.fct_blended_efficiency_daily
add column if not exists new_mrr_home numeric(18, 6) not null default 0,
add column if not exists payback_months numeric(38, 6);
comment on table marts.fct_blended_efficiency_daily is
'Advertising against what comes of it, by day and channel, in the home currency. Add up and divide again.';
