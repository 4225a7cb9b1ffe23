create table staging.stg_feedback (
    feedback_id text collate "C" primary key,
    student_id text collate "C" not null,
    course_id text collate "C",
    rating numeric(14, 2) not null,
    comment text,
    created_at timestamptz,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_feedback (_build) where _build > 1;
create index on staging.stg_feedback (feedback_id) where flags <> '{}';
comment on table staging.stg_feedback is 'one feedback of a student on a course: the newest accepted record of student_feedback';
comment on column staging.stg_feedback.feedback_id is 'id of the feedback in the source';
comment on column staging.stg_feedback.student_id is 'who';
comment on column staging.stg_feedback.course_id is 'on what';
comment on column staging.stg_feedback.rating is '1 (worst) to 5';
comment on column staging.stg_feedback.comment is 'as written';
comment on column staging.stg_feedback.created_at is 'when it was given (UTC)';
