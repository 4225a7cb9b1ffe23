-- one row per enrolled student. key: student_key. reads: staging.stg_enrollments
-- :stg_enrollments_since = the build consumed last time; 0 = everything
select
    warehouse.key(student_id) as student_key,
    warehouse.key(program_id) as program_key,
    warehouse.date_key(enrollment_date) as date_key,
    enrollment_date,
    fee_paid,
    payment_status
from staging.stg_enrollments
where _build > :stg_enrollments_since
