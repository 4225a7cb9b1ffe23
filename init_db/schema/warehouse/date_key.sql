create function warehouse.date_key(day date) returns integer
language sql immutable parallel safe
return case
    when day between '2000-01-01' and '2050-12-31'
        then (date_part('year', day) * 10000 + date_part('month', day) * 100 + date_part('day', day))::integer
    else 0
end;
comment on function warehouse.date_key is 'yyyymmdd; 0, the unknown date, for null or a day outside 2000 to 2050';
