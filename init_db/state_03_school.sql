-- The school's datasets in raw, what a drop looked like (for the guard), and what the checks found.
-- State: only ever migrated forward (a later state_NN file), never dropped.

create table if not exists raw.students (
    _drop_id bigint not null,
    _line bigint not null,
    student_id text,
    student_name text,
    class_id text,
    grade_level text,
    enrollment_status text,
    updated_at text,
    _extra jsonb,
    _record text
);
create index if not exists students_lines on raw.students using brin (_drop_id, _line) with (pages_per_range = 32);
comment on table raw.students is 'records of students files, as text';

create table if not exists raw.attendance (
    _drop_id bigint not null,
    _line bigint not null,
    attendance_id text,
    student_id text,
    attendance_date text,
    status text,
    created_at text,
    _extra jsonb,
    _record text
);
create index if not exists attendance_lines on raw.attendance using brin (_drop_id, _line) with (pages_per_range = 32);
comment on table raw.attendance is 'records of attendance files, as text';

create table if not exists raw.assessments (
    _drop_id bigint not null,
    _line bigint not null,
    assessment_id text,
    student_id text,
    subject text,
    score text,
    max_score text,
    assessment_date text,
    created_at text,
    _extra jsonb,
    _record text
);
create index if not exists assessments_lines on raw.assessments using brin (_drop_id, _line) with (pages_per_range = 32);
comment on table raw.assessments is 'records of assessments files, as text; _line is the place in a JSON array';

alter table etl.drops add column if not exists profile jsonb;
comment on column etl.drops.profile is 'what it looked like when it was cleaned: rows, share of rejects, share of NULLs per column, codes; the next drop is compared with it';

create table if not exists etl.checks (
    name text primary key,
    layer text not null,
    severity text not null check (severity in ('error', 'warning')),
    what text not null,
    offending bigint not null,
    sample jsonb not null default '[]',
    seconds numeric(10, 3) not null,
    run_id text not null,
    checked_at timestamptz not null default clock_timestamp()
);
comment on table etl.checks is 'the last result of every check: how many rows offend, and some of them; none = good';
comment on column etl.checks.sample is 'up to five offending rows';
