-- one row per attendance record. key: attendance_id. reads: staging.stg_attendance
-- :stg_attendance_since = the build consumed last time; 0 = everything
select
    attendance_id,
    warehouse.key(student_id) as student_key,
    warehouse.date_key(attendance_date) as date_key,
    attendance_date,
    status,
    status in ('PRESENT', 'LATE') as is_present
from staging.stg_attendance
where _build > :stg_attendance_since
order by student_key, attendance_date
