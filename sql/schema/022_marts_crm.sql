-- Facts of the CRM, made here for the reason told in 020_marts_marketing.sql.

create table if not exists marts.fct_pipeline_daily (
    date_day date not null,
    account_id text not null,
    pipeline_id text not null,
    channel text not null,
    currency text not null,
    deals_created bigint not null,
    amount_created numeric(18, 6) not null,
    deals_won bigint not null,
    amount_won numeric(18, 6) not null,
    deals_lost bigint not null,
    amount_lost numeric(18, 6) not null,
    home_currency text not null,
    amount_created_home numeric(18, 6) not null,
    amount_won_home numeric(18, 6) not null,
    amount_lost_home numeric(18, 6) not null,
    unconverted_deals bigint not null,
    primary key (date_day, account_id, pipeline_id, channel, currency)
);
comment on table marts.fct_pipeline_daily is
'Deals by the day they were created, won or lost on, pipeline and channel. Several currencies: home amounts only.';
