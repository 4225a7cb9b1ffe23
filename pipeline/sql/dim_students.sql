-- one row per student, enrolled or only referenced (inferred). key: student_id
-- reads: staging.stg_enrollments, staging.stg_progress, staging.stg_tickets
-- :..._since = the build consumed last time; 0 = everything
with touched as (
    select student_id from staging.stg_enrollments where _build > :stg_enrollments_since
    union
    -- a reference to an enrolled student changes nothing
    select p.student_id
    from staging.stg_progress as p
    where p._build > :stg_progress_since
    and not exists (select from staging.stg_enrollments as e where e.student_id = p.student_id)
    union
    select t.student_id
    from staging.stg_tickets as t
    where t._build > :stg_tickets_since
    and not exists (select from staging.stg_enrollments as e where e.student_id = t.student_id)
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
