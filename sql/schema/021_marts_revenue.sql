-- Facts of billing, made here for the reason told in 020_marts_marketing.sql.

create table if not exists marts.fct_revenue_daily (
    date_day date not null,
    account_id text not null,
    currency text not null,
    channel text not null,
    gross numeric(18, 6),
    refunds numeric(18, 6),
    disputes numeric(18, 6),
    fees numeric(18, 6),
    other numeric(18, 6),
    net numeric(18, 6),
    home_currency text not null,
    gross_home numeric(18, 6),
    refunds_home numeric(18, 6),
    disputes_home numeric(18, 6),
    fees_home numeric(18, 6),
    other_home numeric(18, 6),
    net_home numeric(18, 6),
    transactions bigint not null,
    unconverted_transactions bigint not null,
    new_customers bigint not null,
    primary key (date_day, account_id, currency, channel)
);
comment on table marts.fct_revenue_daily is
'Money on Stripe''s balance by day and channel, signed as it moves the balance. Several currencies: home amounts only.';

create table if not exists marts.fct_subscription_mrr_daily (
    date_day date not null,
    account_id text not null,
    subscription_item_id text not null,
    subscription_id text not null,
    customer_id text not null,
    product_id text,
    price_id text not null,
    channel text not null,
    quantity numeric(18, 6) not null,
    currency text not null,
    mrr numeric(18, 6) not null,
    home_currency text not null,
    mrr_home numeric(18, 6),
    basis text not null,
    primary key (date_day, account_id, subscription_item_id),
    check (basis in ('events', 'object', 'invoices'))
);
comment on table marts.fct_subscription_mrr_daily is
'Monthly recurring revenue at the end of each day, UTC, by subscription item. Days are alternatives: never add them up.';

-- What the fact is made of, before dbt builds it for the first time: only rows of a table that is there touch days.
create schema if not exists intermediate;

create table if not exists intermediate.int_subscription_item_spans (
    account_id text,
    subscription_id text,
    subscription_item_id text,
    valid_from timestamptz,
    valid_to timestamptz,
    customer_id text,
    channel text,
    product_id text,
    price_id text,
    quantity numeric,
    currency text,
    status text,
    mrr numeric(18, 6),
    uncounted text,
    basis text,
    is_collection_paused boolean,
    known_through date
);
