-- one row per course, in the catalogue or only referenced (inferred). key: course_key of course_id
-- reads: staging.stg_courses, staging.snapshot_ends, staging.courses_seen
-- the catalogue is always read whole, because a course vanishes without a change to its row
-- :since = per dataset the build consumed last time; 0 = everything
with touched as (
    select course_id from staging.stg_courses
    union
    select key from staging.courses_seen where not is_own and _build > (cast(:since as jsonb) ->> dataset)::bigint
)
select
    warehouse.key(t.course_id) as course_key,
    t.course_id,
    c.course_name,
    c.category,
    c.difficulty,
    c.duration_hours,
    c.price,
    warehouse.key(c.instructor_name) as instructor_key,
    coalesce(c.is_active, true) and e.vanished_on is null as is_active,
    e.vanished_on,
    c.course_id is null as is_inferred
from touched as t
left join staging.stg_courses as c using (course_id)
left join staging.snapshot_ends as e on c._drop_id = e.drop_id
