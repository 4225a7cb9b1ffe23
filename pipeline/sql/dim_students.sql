-- one row per student: enrolled, in the roster, or only referenced (inferred). key: student_id
-- reads: staging.stg_enrollments, staging.stg_students, staging.snapshot_ends, staging.stg_progress, staging.stg_tickets,
-- staging.stg_attendance, staging.stg_assessments
-- the roster is always read whole, because a student vanishes without a change to the row
-- :..._since = the build consumed last time; 0 = everything
with referenced as (
    select student_id from staging.stg_progress where _build > :stg_progress_since
    union all
    select student_id from staging.stg_tickets where _build > :stg_tickets_since
    union all
    select student_id from staging.stg_attendance where _build > :stg_attendance_since
    union all
    select student_id from staging.stg_assessments where _build > :stg_assessments_since
),
touched as (
    select student_id from staging.stg_enrollments where _build > :stg_enrollments_since
    union
    select student_id from staging.stg_students
    union
    -- a reference to an enrolled student changes nothing
    select r.student_id
    from referenced as r
    where not exists (select from staging.stg_enrollments as e where e.student_id = r.student_id)
)
select
    warehouse.key(t.student_id) as student_key,
    t.student_id,
    coalesce(e.full_name, r.student_name) as full_name,
    case when e.full_name is null then r.first_name else e.first_name end as first_name,
    case when e.full_name is null then r.last_name else e.last_name end as last_name,
    e.email,
    e.phone,
    e.dob,
    e.gender,
    e.city,
    e.state,
    r.class_id,
    r.grade_level,
    case
        when r.student_id is null then true
        when x.vanished_on is not null then false
        else coalesce(r.enrollment_status = 'ACTIVE', false)
    end as is_active,
    x.vanished_on,
    e.student_id is null and r.student_id is null as is_inferred
from touched as t
left join staging.stg_enrollments as e using (student_id)
left join staging.stg_students as r using (student_id)
left join staging.snapshot_ends as x on r._drop_id = x.drop_id
