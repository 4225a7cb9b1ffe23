create table staging.stg_students (
    student_id text collate "C" primary key,
    student_name text,
    first_name text,
    last_name text,
    class_id text collate "C",
    grade_level integer,
    enrollment_status text,
    updated_at timestamptz,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_students (student_id) where flags <> '{}';
comment on table staging.stg_students is 'one student of the school roster: the newest accepted record of students';
comment on column staging.stg_students.student_id is 'letters, then at least three digits';
comment on column staging.stg_students.student_name is 'digits stripped, title case';
comment on column staging.stg_students.first_name is 'first word of student_name';
comment on column staging.stg_students.last_name is 'the other words of student_name';
comment on column staging.stg_students.class_id is 'CLASS-XX; null when missing or unreadable';
comment on column staging.stg_students.grade_level is '1, 2, ...; null when it is no positive whole number';
comment on column staging.stg_students.enrollment_status is 'ACTIVE, INACTIVE, SUSPENDED, TRANSFERRED, GRADUATED or WITHDRAWN';
comment on column staging.stg_students.updated_at is 'when the school last changed the record (UTC)';
