-- TimescaleDB is used where the server has it loaded. Creating it where it is not preloaded would end the connection.
do $$
begin
    if current_setting('shared_preload_libraries') like '%timescaledb%'
        and exists (select from pg_available_extensions where name = 'timescaledb')
    then
        create extension if not exists timescaledb;
    end if;
end
$$;
