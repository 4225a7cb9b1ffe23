create table staging.stg_attendance (
    attendance_id text collate "C" primary key,
    student_id text collate "C" not null,
    attendance_date date not null,
    status text not null,
    created_at timestamptz,
    flags text [] not null,
    quality_score smallint not null generated always as (greatest(0, 100 - 10 * cardinality(flags))) stored,
    _drop_id bigint not null,
    _line bigint not null,
    _build bigint not null
);
create index on staging.stg_attendance (_build) where _build > 1;
create index on staging.stg_attendance (attendance_id) where flags <> '{}';
comment on table staging.stg_attendance is 'one attendance record: the newest accepted record of attendance';
comment on column staging.stg_attendance.attendance_id is 'id of the record in the source';
comment on column staging.stg_attendance.student_id is 'who';
comment on column staging.stg_attendance.attendance_date is 'the school day';
comment on column staging.stg_attendance.status is 'PRESENT, ABSENT, LATE or EXCUSED';
comment on column staging.stg_attendance.created_at is 'when it was written down (UTC)';
