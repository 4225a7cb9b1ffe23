create table warehouse.fact_attendance (
    attendance_id text collate "C" primary key,
    student_key bigint not null references warehouse.dim_students on delete cascade,
    date_key integer not null references warehouse.dim_date,
    attendance_date date not null,
    status text not null check (status in ('PRESENT', 'ABSENT', 'LATE', 'EXCUSED')),
    is_present boolean not null
);
create index on warehouse.fact_attendance (student_key, attendance_date);
comment on table warehouse.fact_attendance is 'one row per attendance record';
comment on column warehouse.fact_attendance.attendance_id is 'id of the record in the source';
comment on column warehouse.fact_attendance.attendance_date is 'the school day';
comment on column warehouse.fact_attendance.is_present is 'PRESENT or LATE';
