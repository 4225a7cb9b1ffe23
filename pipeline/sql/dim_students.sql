-- one row per student, enrolled or only referenced (inferred). key: student_id
-- reads: staging.stg_enrollments, staging.stg_progress, staging.stg_tickets
-- :..._since = the build consumed last time; 0 = everything
with touched as (
    select student_id from staging.stg_enrollments where _build > :stg_enrollments_since
    union
    select student_id from staging.stg_progress where _build > :stg_progress_since
    union
    select student_id from staging.stg_tickets where _build > :stg_tickets_since
)
select
    warehouse.key(t.student_id) as student_key,
    t.student_id,
    e.full_name,
    e.first_name,
    e.last_name,
    e.email,
    e.phone,
    e.dob,
    e.gender,
    e.city,
    e.state,
    e.student_id is null as is_inferred
from touched as t
left join staging.stg_enrollments as e using (student_id)
