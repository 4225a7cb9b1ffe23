create table warehouse.fact_course_progress (
    student_key bigint not null references warehouse.dim_students on delete cascade,
    course_key bigint not null references warehouse.dim_courses on delete cascade,
    events bigint not null check (events > 0),
    minutes numeric(38, 2) not null check (minutes >= 0),
    modules_completed bigint not null check (modules_completed >= 0),
    avg_score numeric(5, 2) check (avg_score between 0 and 100),
    completion_percentage numeric(5, 2) check (completion_percentage between 0 and 100),
    first_activity timestamptz,
    last_activity timestamptz,
    primary key (student_key, course_key)
) with (fillfactor = 85); -- a day's events change existing rows: room beside them saves writing the indexes again
create index on warehouse.fact_course_progress (course_key);
comment on table warehouse.fact_course_progress is 'one row per student and course with at least one event';
comment on column warehouse.fact_course_progress.events is 'its learning events';
comment on column warehouse.fact_course_progress.first_activity is 'its first dated event (UTC)';
comment on column warehouse.fact_course_progress.last_activity is 'its last dated event (UTC)';
comment on column warehouse.fact_course_progress.minutes is 'time spent, from the durations of its events (wide: one absurd duration must not stop the build)';
comment on column warehouse.fact_course_progress.modules_completed is 'distinct modules with an event at completion 100';
comment on column warehouse.fact_course_progress.avg_score is 'mean of its scored events, percent';
comment on column warehouse.fact_course_progress.completion_percentage is 'highest completion reported, percent';
