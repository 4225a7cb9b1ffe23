-- one row per day from 2000 to 2050, and the unknown date 0. key: date_key. reads: nothing
with days as (
    select day::date as day
    from generate_series(date '2000-01-01', date '2050-12-31', interval '1 day') as day
)
select
    warehouse.date_key(day) as date_key,
    day as date,
    extract(year from day)::smallint as year,
    extract(quarter from day)::smallint as quarter,
    extract(month from day)::smallint as month,
    to_char(day, 'FMMonth') as month_name,
    extract(day from day)::smallint as day,
    extract(week from day)::smallint as iso_week,
    extract(isodow from day)::smallint as day_of_week,
    to_char(day, 'FMDay') as day_name,
    extract(isodow from day) > 5 as is_weekend
from days
union all
select 0, null, null, null, null, null, null, null, null, null, null
