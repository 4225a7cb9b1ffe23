-- on delete cascade: a member vanishes only when no row of staging names it any more, so a fact that still does is stale
-- and about to be rebuilt; without it, the dimension could not be made before its facts.
create table warehouse.fact_student_progress (
    event_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    course_key bigint references warehouse.dim_courses on delete cascade,
    date_key integer not null references warehouse.dim_date,
    event_type text,
    event_timestamp timestamptz,
    duration_seconds bigint check (duration_seconds >= 0),
    score numeric(5, 2) check (score between 0 and 100),
    module_id text,
    completion_percentage numeric(5, 2) check (completion_percentage between 0 and 100)
) with (fillfactor = 90); -- a corrected event finds room beside itself, and its indexes stay as they are
create index on warehouse.fact_student_progress (student_key, course_key);
comment on table warehouse.fact_student_progress is 'one row per learning event';
comment on column warehouse.fact_student_progress.course_key is 'null when the event names no course';
comment on column warehouse.fact_student_progress.date_key is 'day of the event (UTC)';
