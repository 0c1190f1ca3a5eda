-- With TimescaleDB the facts are hypertables, without it plain tables; nothing that reads or writes them can tell.
do $$
declare
    fact text;
begin
    if not exists (select from pg_extension where extname = 'timescaledb') then
        return;
    end if;
    foreach fact in array array[
        'fct_ad_performance_daily', 'fct_campaign_performance', 'fct_conversions_daily', 'fct_pipeline_daily',
        'fct_revenue_daily', 'fct_subscription_mrr_daily', 'fct_blended_efficiency_daily'
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
