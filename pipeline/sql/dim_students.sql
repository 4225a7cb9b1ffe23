-- one row per student: enrolled, in the roster, or only referenced (inferred). key: student_key of student_id
-- reads: staging.stg_enrollments, staging.stg_students, staging.snapshot_ends, staging.students_seen
-- the roster is always read whole, because a student vanishes without a change to the row
-- :since = per dataset the build consumed last time; 0 = everything
with referenced as (
    select key as student_id
    from staging.students_seen
    where not is_own and _build > (cast(:since as jsonb) ->> dataset)::bigint
),
touched as (
    select student_id from staging.stg_enrollments
    where _build > (cast(:since as jsonb) ->> 'students_enrollment')::bigint
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
