create table analytics.course_performance (
    course_id text collate "C" primary key,
    as_of date,
    course_name text,
    category text,
    difficulty text,
    instructor_name text,
    is_active boolean not null,
    enrollments bigint not null check (enrollments >= 0),
    avg_completion numeric(5, 2) check (avg_completion between 0 and 100),
    avg_score numeric(5, 2) check (avg_score between 0 and 100),
    hours numeric(38, 2) not null check (hours >= 0),
    fees numeric(38, 2) not null check (fees >= 0)
);
comment on table analytics.course_performance is 'how one course does; one row per course of dim_courses';
comment on column analytics.course_performance.is_active is 'the catalogue says so and still lists it';
comment on column analytics.course_performance.enrollments is 'distinct students with a learning event in the course';
comment on column analytics.course_performance.avg_completion is 'mean over its students of the highest completion, percent';
comment on column analytics.course_performance.avg_score is 'mean of its scored learning events, percent';
comment on column analytics.course_performance.hours is 'time spent on its learning events';
comment on column analytics.course_performance.fees is 'rupees paid by its students for their programs: a student of two courses counts in both, so it does not add up over courses';
