create function warehouse.date_key(day date) returns integer
language sql immutable parallel safe
return case
    when day between '2000-01-01' and '2050-12-31'
        then (extract(year from day) * 10000 + extract(month from day) * 100 + extract(day from day))::integer
    else 0
end;
comment on function warehouse.date_key is 'yyyymmdd; 0, the unknown date, for null or a day outside 2000 to 2050';
