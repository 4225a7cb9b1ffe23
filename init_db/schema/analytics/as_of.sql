create table analytics.as_of (
    as_of date,
    source text not null check (source in ('data', 'configuration')),
    only_row boolean primary key default true check (only_row)
);
comment on table analytics.as_of is 'the day that time-relative measures refer to';
comment on column analytics.as_of.as_of is 'the latest day on which at least two students were active (a learning event, an assessment, presence in class), or the configured day; null without any';
comment on column analytics.as_of.source is 'configuration: the day was set; data: it was found';
comment on column analytics.as_of.only_row is 'always true: the table has one row';
