-- Every day a report can be of. No state and no clock in it: the calendar of a day never changes.
select
    days.day::date as date_day,
    date_trunc('week', days.day)::date as week_start,
    extract(isoyear from days.day)::integer as iso_year,
    extract(week from days.day)::integer as iso_week,
    to_char(days.day, 'IYYY-"W"IW') as iso_week_name,
    date_trunc('month', days.day)::date as month_start,
    extract(month from days.day)::integer as month_of_year,
    date_trunc('quarter', days.day)::date as quarter_start,
    extract(quarter from days.day)::integer as quarter_of_year,
    extract(year from days.day)::integer as calendar_year,
    extract(isodow from days.day)::integer as weekday,
    -- Not to_char's names, which follow the language of the server.
    (array['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'])[
        extract(isodow from days.day)::integer
    ] as weekday_name,
    extract(isodow from days.day) in (6, 7) as is_weekend
from generate_series(timestamp '2000-01-01', timestamp '2049-12-31', interval '1 day') as days (day)
