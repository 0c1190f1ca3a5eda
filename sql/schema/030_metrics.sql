-- Where aggregates live, and TimescaleDB's bucket function for servers without it.

create schema if not exists metrics;

-- Cast to a timestamp without a zone: with one the result is no longer immutable, and PostgreSQL calls the function for
-- each row, which takes four times as long as what it is called for.
create or replace function dataflow.time_bucket(width interval, day date) returns date
language sql immutable parallel safe
begin atomic
    select case
        when width = interval '1 day' then day
        when width = interval '7 days' then date_trunc('week', day::timestamp)::date
        when width = interval '1 month' then date_trunc('month', day::timestamp)::date
    end;
end;
comment on function dataflow.time_bucket(interval, date) is
'Same result as TimescaleDB''s time_bucket for days, weeks from Monday and months. Used where the extension is missing.';

-- Its parameters have no names: its columns have them.
create or replace function dataflow.buckets_between(date, date)
returns table (bucket text, first_day date, past date)
language sql immutable parallel safe rows 4
begin atomic
    with days as (
        select
            $1 as first_day,
            $2 + 1 as past,
            -- The first month that begins within, and the one in which the day after lies.
            (date_trunc('month', ($1 - 1)::timestamp) + interval '1 month')::date as month,
            date_trunc('month', ($2 + 1)::timestamp)::date as month_past
    ),

    months as (
        select
            first_day,
            past,
            case when month < month_past then month else past end as month,
            case when month < month_past then month_past else past end as month_past
        from days
    ),

    pieces as (
        select
            piece.first_day,
            piece.past,
            (date_trunc('week', (piece.first_day - 1)::timestamp) + interval '7 days')::date as week,
            date_trunc('week', piece.past::timestamp)::date as week_past
        from months
        cross join
            lateral (
                values (months.first_day, months.month), (months.month_past, months.past)
            ) as piece (first_day, past)
        where piece.first_day < piece.past
    ),

    weeks as (
        select
            first_day,
            past,
            case when week < week_past then week else past end as week,
            case when week < week_past then week_past else past end as week_past
        from pieces
    )

    select
        'month',
        month,
        month_past
    from months
    where month < month_past
    union all
    select
        'week',
        week,
        week_past
    from weeks
    where week < week_past
    union all
    select
        'day',
        edge.first_day,
        edge.past
    from weeks
    cross join
        lateral (
            values (weeks.first_day, weeks.week), (weeks.week_past, weeks.past)
        ) as edge (first_day, past)
    where edge.first_day < edge.past;
end;
comment on function dataflow.buckets_between(date, date) is
'The months and weeks that lie wholly between two days, these included, and the days at the edges: no day twice.';
