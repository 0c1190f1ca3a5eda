-- A scan of a hypertable that parallel workers share can answer without the rows of whole chunks, and without an error,
-- when it is bounded by a value looked up in the same query, such as the newest day: timescale/timescaledb issue 10503, in
-- 2.29.2 and before. Without sharing it is as fast. For everybody who reads this database; where only its owner may say
-- so, for ourselves.
do $$
declare
    setting constant text := 'timescaledb.enable_parallel_chunk_append';
begin
    if not exists (select from pg_extension where extname = 'timescaledb') then
        return;
    end if;
    perform set_config(setting, 'off', false);
    begin
        execute format('alter database %I set %s = off', current_database(), setting);
    exception
        when insufficient_privilege then
            execute format('alter role %I in database %I set %s = off', current_user, current_database(), setting);
    end;
end
$$;
