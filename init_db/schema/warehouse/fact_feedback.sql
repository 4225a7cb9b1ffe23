create table warehouse.fact_feedback (
    feedback_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    course_key bigint references warehouse.dim_courses on delete cascade,
    date_key integer not null references warehouse.dim_date,
    created_at timestamptz,
    rating numeric(14, 2) not null
);
create index on warehouse.fact_feedback (student_key);
create index on warehouse.fact_feedback (course_key);
comment on table warehouse.fact_feedback is 'one row per feedback of a student on a course';
comment on column warehouse.fact_feedback.feedback_id is 'id of the feedback in the source';
comment on column warehouse.fact_feedback.created_at is 'when it was given (UTC)';
comment on column warehouse.fact_feedback.rating is '1 (worst) to 5';
