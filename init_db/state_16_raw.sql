-- What the declarations in pipeline/datasets added to raw.
-- State: only ever migrated forward (a later state_NN file), never dropped.

create table if not exists raw.student_feedback (
    _drop_id bigint not null,
    _line bigint not null,
    feedback_id text,
    student_id text,
    course_id text,
    rating text,
    comment text,
    created_at text,
    _extra jsonb,
    _record text
);
create index if not exists student_feedback_lines on raw.student_feedback using brin (_drop_id, _line) with (pages_per_range = 32);
comment on table raw.student_feedback is 'records of student_feedback files, as text';
