-- one row per feedback of a student on a course. key: feedback_id. reads: staging.stg_feedback
-- :stg_feedback_since = the build consumed last time; 0 = everything
select
    feedback_id,
    warehouse.key(student_id) as student_key,
    warehouse.key(course_id) as course_key,
    warehouse.date_key((created_at at time zone 'UTC')::date) as date_key,
    created_at,
    rating
from staging.stg_feedback
where _build > :stg_feedback_since
