create table analytics.data_quality (
    dataset text collate "C" not null,
    drop_date date not null,
    drop_number bigint not null check (drop_number > 0),
    column_name text collate "C" not null,
    rule text collate "C" not null,
    as_of date,
    read bigint not null check (read >= 0),
    changed bigint not null check (changed >= 0),
    flagged bigint not null check (flagged >= 0),
    rejected bigint not null check (rejected >= 0),
    flagged_rate numeric(5, 4) not null check (flagged_rate between 0 and 1),
    rejected_rate numeric(5, 4) not null check (rejected_rate between 0 and 1),
    primary key (dataset, drop_date, drop_number, column_name, rule)
);
comment on table analytics.data_quality is 'what each rule found in each staged drop; one row per drop, column and rule';
comment on column analytics.data_quality.drop_date is 'the day of the drop';
comment on column analytics.data_quality.drop_number is '1, 2, ...: the drops of one dataset and day, by path and then as they came; no drop_id, which depends on the order of arrival';
comment on column analytics.data_quality.column_name is 'the column cleaned; _record: the structure of the row';
comment on column analytics.data_quality.rule is 'the rule of pipeline/rules';
comment on column analytics.data_quality.read is 'rows of the drop';
comment on column analytics.data_quality.changed is 'values that the rule rewrote';
comment on column analytics.data_quality.flagged is 'values with a soft problem';
comment on column analytics.data_quality.rejected is 'rows that the column rejected';
comment on column analytics.data_quality.flagged_rate is 'flagged / read, 0 to 1';
comment on column analytics.data_quality.rejected_rate is 'rejected / read, 0 to 1';
