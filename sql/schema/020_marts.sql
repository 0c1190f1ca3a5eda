-- The facts that aggregates stand on. They are made here and not by dbt, which would make plain tables of them, and
-- would drop the aggregates with them whenever it rebuilt one. Columns are those of the dbt contracts; a test compares.

create schema if not exists marts;

create table if not exists marts.fct_ad_performance_daily (
    platform text not null,
    entity_level text not null,
    account_id text not null,
    entity_id text not null,
    date_day date not null,
    campaign_id text not null,
    ad_group_id text,
    ad_id text,
    currency text not null,
    report_time_zone text,
    impressions bigint not null,
    clicks bigint not null,
    clicks_all bigint not null,
    spend numeric(18, 6) not null,
    conversions numeric(18, 6) not null,
    conversion_value numeric(18, 6) not null,
    primary key (platform, entity_level, account_id, entity_id, date_day),
    check (entity_level in ('campaign', 'ad_group', 'ad'))
);
comment on table marts.fct_ad_performance_daily is
'Advertising by entity and report day at three levels. A total takes exactly one entity_level and one currency.';
-- Days are replaced, and dashboards ask by day; the key answers for one entity only.
create index if not exists fct_ad_performance_daily_day on marts.fct_ad_performance_daily (date_day);

create table if not exists marts.fct_campaign_performance (
    platform text not null,
    account_id text not null,
    campaign_id text not null,
    date_day date not null,
    currency text not null,
    report_time_zone text,
    impressions bigint not null,
    clicks bigint not null,
    clicks_all bigint not null,
    spend numeric(18, 6) not null,
    conversions numeric(18, 6) not null,
    conversion_value numeric(18, 6) not null,
    ctr numeric(38, 6) not null,
    cpc numeric(38, 6) not null,
    cpm numeric(38, 6) not null,
    cpa numeric(38, 6) not null,
    conversion_rate numeric(38, 6) not null,
    roas numeric(38, 6) not null,
    roi numeric(38, 6) not null,
    primary key (platform, account_id, campaign_id, date_day)
);
comment on table marts.fct_campaign_performance is
'Campaigns by report day with their ratios. Over several rows, add up the sums and divide again.';
create index if not exists fct_campaign_performance_day on marts.fct_campaign_performance (date_day);

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
    primary key (date_day, channel)
);
comment on table marts.fct_blended_efficiency_daily is
'Advertising against what comes of it, by day and channel, in the home currency. Add up and divide again.';

-- With TimescaleDB the facts are hypertables, without it plain tables; nothing that reads or writes them can tell.
do $$
declare
    fact text;
begin
    if not exists (select from pg_extension where extname = 'timescaledb') then
        return;
    end if;
    foreach fact in array array[
        'fct_ad_performance_daily', 'fct_campaign_performance', 'fct_revenue_daily', 'fct_blended_efficiency_daily'
    ] loop
        if not exists (
            select from timescaledb_information.hypertables
            where hypertable_schema = 'marts' and hypertable_name = fact
        ) then
            perform create_hypertable(
                format('marts.%I', fact)::regclass, by_range('date_day', interval '90 days'),
                migrate_data => true, create_default_indexes => false
            );
        end if;
    end loop;
end
$$;
