create table warehouse.dim_date (
    date_key integer primary key,
    date date unique,
    year smallint,
    quarter smallint check (quarter between 1 and 4),
    month smallint check (month between 1 and 12),
    month_name text,
    day smallint check (day between 1 and 31),
    iso_week smallint check (iso_week between 1 and 53),
    day_of_week smallint check (day_of_week between 1 and 7),
    day_name text,
    is_weekend boolean,
    check ((date_key = 0) = (date is null))
);
comment on table warehouse.dim_date is 'one row per day from 2000 to 2050, and 0, the unknown date';
comment on column warehouse.dim_date.date_key is 'yyyymmdd; 0 = unknown';
comment on column warehouse.dim_date.date is 'the day; null = unknown';
comment on column warehouse.dim_date.year is '2000 to 2050';
comment on column warehouse.dim_date.quarter is '1 to 4';
comment on column warehouse.dim_date.month is '1 to 12';
comment on column warehouse.dim_date.month_name is 'January to December';
comment on column warehouse.dim_date.day is 'day of the month';
comment on column warehouse.dim_date.iso_week is 'week by ISO 8601: the first one has a Thursday in January';
comment on column warehouse.dim_date.day_of_week is '1 = Monday to 7 = Sunday';
comment on column warehouse.dim_date.day_name is 'Monday to Sunday';
comment on column warehouse.dim_date.is_weekend is 'Saturday or Sunday';
