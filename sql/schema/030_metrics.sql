-- Where aggregates live, and TimescaleDB's bucket function for servers without it.

create schema if not exists metrics;

create or replace function dataflow.time_bucket(width interval, day date) returns date
language sql immutable parallel safe
begin atomic
    select case
        when width = interval '1 day' then day
        when width = interval '7 days' then date_trunc('week', day)::date
        when width = interval '1 month' then date_trunc('month', day)::date
    end;
end;
comment on function dataflow.time_bucket(interval, date) is
'Same result as TimescaleDB''s time_bucket for days, weeks from Monday and months. Used where the extension is missing.';
