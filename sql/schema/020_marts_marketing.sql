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
    home_currency text not null,
    spend_home numeric(18, 6),
    conversion_value_home numeric(18, 6),
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
    home_currency text not null,
    spend_home numeric(18, 6),
    conversion_value_home numeric(18, 6),
    primary key (platform, account_id, campaign_id, date_day)
);
comment on table marts.fct_campaign_performance is
'Campaigns by report day with their ratios. Over several rows, add up the sums and divide again.';
create index if not exists fct_campaign_performance_day on marts.fct_campaign_performance (date_day);

create table if not exists marts.fct_conversions_daily (
    platform text not null,
    account_id text not null,
    campaign_id text not null,
    action text not null,
    attribution_window text not null,
    counts_as text not null,
    is_counted boolean not null,
    date_day date not null,
    currency text not null,
    report_time_zone text,
    conversions numeric(18, 6) not null,
    conversion_value numeric(18, 6) not null,
    home_currency text not null,
    conversion_value_home numeric(18, 6),
    primary key (platform, account_id, campaign_id, action, attribution_window, date_day)
);
comment on table marts.fct_conversions_daily is
'Conversions by campaign, action, window and report day. A total takes rows that are is_counted, and one currency.';
create index if not exists fct_conversions_daily_day on marts.fct_conversions_daily (date_day);

-- Facts from before there were amounts in the home currency. XXX is "none", and their days are built again.
do $$
declare
    fact text;
begin
    foreach fact in array array['fct_ad_performance_daily', 'fct_campaign_performance'] loop
        if exists (
            select from information_schema.columns
            where table_schema = 'marts' and table_name = fact and column_name = 'home_currency'
        ) then
            continue;
        end if;
        execute format($alter$
            alter table marts.%I
            add column home_currency text not null default 'XXX',
            add column spend_home numeric(18, 6),
            add column conversion_value_home numeric(18, 6)
        $alter$, fact);
        execute format('alter table marts.%I alter column home_currency drop default', fact);
        execute format($touch$
            insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
            select distinct 'raw', 'dbt', '', %L, date_day, gen_random_uuid() from marts.%I
        $touch$, fact, fact);
    end loop;
end
$$;
